// Parts in integers of a linear operation on their way to Hopper's kernel (hopper_linear.h).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "backend/cuda/context.h"
#include "backend/cuda/cuts.h"
#include "backend/cuda/hopper_linear.h"
#include "ops/ops.h"

namespace steadyflux::cuda {

// Whether Hopper's kernel is there and does all that is asked of the part's results. No scratch but for operands then.
inline bool hopper_finishes(const Context& context, const ops::LinearPart& part) {
  const bool activates =
      part.activation == ops::Activation::kNone || (part.activation == ops::Activation::kGeluTanh && !part.accumulate);
  return context.is_hopper && has_hopper_linear() && activates;
}

// Rows of integers, one after another, and what they stand for.
struct Int8Rows {
  const std::byte* data = nullptr;
  const float* scales = nullptr;
};

// Hands out the rows of a panel for converted weights.
class PanelRows {
 public:
  explicit PanelRows(std::int64_t most) : most_(most) {}

  bool has(std::int64_t count) const { return used_ + count <= most_; }
  std::int64_t take(std::int64_t count) {
    used_ += count;
    largest_ = std::max(largest_, used_);
    return used_ - count;
  }
  void clear() { used_ = 0; }
  std::int64_t largest() const { return largest_; }

 private:
  std::int64_t most_ = 0;
  std::int64_t used_ = 0;
  std::int64_t largest_ = 0;
};

// Gathers parts that share an input until they are enough for one product, or the panel is full.
class HopperGroup {
 public:
  // `product` is without parts; `most_panel_rows` can hold the largest part that take_panel_rows is asked for.
  HopperGroup(const Context& context, const HopperLinear& product, std::int64_t most_panel_rows)
      : context_(context), product_(product), panel_(most_panel_rows) {}

  // The first of so many rows of the panel, for the part that is added next.
  std::int64_t take_panel_rows(std::int64_t count) {
    if (!panel_.has(count)) run();
    return panel_.take(count);
  }

  // A part's block of features.
  void add(const ops::LinearPart& part, Block features, const Int8Rows& weight) {
    // What is added to an output may come after what another part leaves there.
    if (part.accumulate) run_parts();
    parts_[num_parts_++] = {.weight = weight.data,
                            .scales = weight.scales,
                            .features = features.count,
                            .out = view_of(part.out.cols(features.begin, features.count)),
                            .bias = view_of(slice(part.linear.bias, features)),
                            .gate = view_of(slice(part.gate, features)),
                            .gelu = part.activation == ops::Activation::kGeluTanh,
                            .accumulate = part.accumulate};
    if (part.accumulate || num_parts_ == parts_.size()) run();
  }

  // Gives what was added to the stream.
  void run() {
    run_parts();
    panel_.clear();
  }

 private:
  void run_parts() {
    if (num_parts_ == 0) return;
    product_.parts = std::span(parts_).first(num_parts_);
    launch_hopper_linear(product_, hopper_cluster(product_.rows), context_.num_multiprocessors, context_.stream);
    num_parts_ = 0;
  }

  const Context& context_;
  HopperLinear product_;
  PanelRows panel_;
  std::array<HopperPart, kMostHopperParts> parts_;
  std::size_t num_parts_ = 0;
};

}  // namespace steadyflux::cuda
