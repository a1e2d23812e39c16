#include "pipeline/predict.h"

#include <algorithm>

namespace steadyflux {
namespace {

// Of the shorter of reading and computing this share is not hidden: the reading thread takes some of a processor, and
// slots are waited for at a pass's ends.
constexpr double kUnhiddenShare = 0.05;

// Products of few rows take as long as their weights take to come from memory.
double op_seconds(const OpTotal& op, const OpRates& rates) {
  const double moving = op.cost.bytes / rates.other_bytes;
  if (op.name == "linear_many") return std::max(op.cost.flops / rates.linear_flops, moving);
  if (op.name == kInt8Linear) return std::max(op.cost.flops / rates.int8_flops, moving);
  if (op.name == "attention") return op.cost.flops / rates.attention_flops;
  if (op.name == "conv2d") return op.cost.flops / rates.conv_flops;
  return moving;
}

// Of two kinds of work side by side.
double side_by_side(double a, double b, double unhidden_share) {
  return std::max(a, b) + unhidden_share * std::min(a, b);
}

}  // namespace

double predict_seconds(const StagePlan& stage, DType activations, const Rates& rates) {
  const Residency& residency = stage.residency;
  const auto& groups = stage.weights->groups;
  const bool discrete = residency.num_staging_buffers > 0;
  const auto passes = static_cast<double>(stage.passes);
  double computing = 0;
  for (const OpTotal& op : stage.trace.ops) computing += op_seconds(op, rates.of(activations));
  computing *= stage.equal_passes / passes;
  const double memory =
      static_cast<double>(residency.weights_bytes() + stage.held_bytes + stage.arena_bytes) / rates.touch_bytes;
  const double once = static_cast<double>(residency.once_read_bytes(groups)) / rates.disk_bytes;
  const double reading = static_cast<double>(residency.pass_read_bytes(groups)) / rates.disk_bytes;
  const double copying = discrete ? static_cast<double>(residency.pass_copy_bytes(groups)) / rates.copy_bytes : 0;
  // What stays is read in the first pass, behind its computing, which waits for the first group.
  const double unhidden_first = std::max(kUnhiddenShare, 1 / std::max(static_cast<double>(groups.size()), 1.0));
  return memory + side_by_side(computing, std::max(copying, once + reading), unhidden_first) +
         (passes - 1) * side_by_side(computing, std::max(copying, reading), kUnhiddenShare);
}

}  // namespace steadyflux
