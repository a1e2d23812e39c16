#include "pipeline/predict.h"

#include <algorithm>

namespace steadyflux {
namespace {

// Of the shorter of reading and computing this share is not hidden: the reading thread takes some of a processor, and
// slots are waited for at a pass's ends.
constexpr double kUnhiddenShare = 0.05;

double op_seconds(const OpTotal& op, const OpRates& rates) {
  if (op.name == "linear_many") return op.cost.flops / rates.linear_flops;
  if (op.name == "attention") return op.cost.flops / rates.attention_flops;
  if (op.name == "conv2d") return op.cost.flops / rates.conv_flops;
  return op.cost.bytes / rates.other_bytes;
}

}  // namespace

double predict_seconds(const StagePlan& stage, DType activations, const Rates& rates) {
  double computing = 0;
  for (const OpTotal& op : stage.trace.ops) computing += op_seconds(op, rates.of(activations));
  computing *= stage.equal_passes;
  const auto resident = static_cast<double>(stage.residency.resident_bytes);
  const double reading = (static_cast<double>(stage.read_bytes()) - resident) / rates.disk_bytes;
  const auto memory = static_cast<double>(stage.residency.weights_bytes() + stage.arena_bytes);
  return memory / rates.touch_bytes + resident / rates.disk_bytes + std::max(computing, reading) +
         kUnhiddenShare * std::min(computing, reading);
}

}  // namespace steadyflux
