#include "pipeline/predict.h"

#include <algorithm>

namespace steadyflux {
namespace {

// Of the shorter of reading and computing this share is not hidden: the reading thread takes some of a processor, and
// slots are waited for at a pass's ends.
constexpr double kUnhiddenShare = 0.05;

double op_seconds(const OpTotal& op, const OpRates& rates) {
  if (op.name == "linear_many") return op.cost.flops / rates.linear_flops;
  if (op.name == kInt8Linear) return op.cost.flops / rates.int8_flops;
  if (op.name == "attention") return op.cost.flops / rates.attention_flops;
  if (op.name == "conv2d") return op.cost.flops / rates.conv_flops;
  return op.cost.bytes / rates.other_bytes;
}

// Of two kinds of work side by side.
double side_by_side(double a, double b) { return std::max(a, b) + kUnhiddenShare * std::min(a, b); }

}  // namespace

double predict_seconds(const StagePlan& stage, DType activations, const Rates& rates) {
  double computing = 0;
  for (const OpTotal& op : stage.trace.ops) computing += op_seconds(op, rates.of(activations));
  computing *= stage.equal_passes;
  const Residency& residency = stage.residency;
  const auto& groups = stage.weights->groups;
  const bool discrete = residency.num_staging_buffers > 0;
  const double memory =
      static_cast<double>(residency.weights_bytes() + stage.held_bytes + stage.arena_bytes) / rates.touch_bytes;
  const double once = static_cast<double>(residency.once_read_bytes(groups)) / rates.disk_bytes;
  if (!discrete && residency.all_resident()) return memory + once + computing;

  const double copying = discrete ? static_cast<double>(residency.pass_copy_bytes(groups)) / rates.copy_bytes : 0;
  const double reading = static_cast<double>(residency.pass_read_bytes(groups)) / rates.disk_bytes;
  const auto passes = static_cast<double>(stage.passes);
  // What stays is read in the first pass, behind its computing.
  return memory + side_by_side(computing / passes, std::max(copying, once + reading)) +
         (passes - 1) * side_by_side(computing / passes, std::max(copying, reading));
}

}  // namespace steadyflux
