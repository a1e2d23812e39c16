#include "pipeline/bench/conv_probe.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "backend/cpu/library_conv.h"
#include "pipeline/bench/synthetic_values.h"
#include "platform/page_region.h"

namespace steadyflux::bench {
struct ConvProbe::Operands {
  PageRegion x;  // each as large as the largest convolution's
  PageRegion weights;
  PageRegion y;
  std::vector<cpu::LibraryConv> convs;
};

ConvProbe::ConvProbe(std::vector<ConvTotal> convs, DType dtype, int num_threads)
    : convs_(std::move(convs)), operands_(std::make_unique<Operands>()) {
  std::size_t x_bytes = 0;
  std::size_t weights_bytes = 0;
  std::size_t y_bytes = 0;
  for (const ConvTotal& conv : convs_) {
    const cpu::LibraryConvShape shape = {
        conv.out_height, conv.out_width, conv.in_channels, conv.out_channels, conv.kernel, conv.stride, dtype};
    const cpu::LibraryConv& made = operands_->convs.emplace_back(shape, num_threads);
    x_bytes = std::max(x_bytes, made.x_bytes());
    weights_bytes = std::max(weights_bytes, made.weights_bytes());
    y_bytes = std::max(y_bytes, made.y_bytes());
  }
  const auto elements = [&](std::size_t bytes) { return static_cast<std::int64_t>(bytes / dtype_bytes(dtype)); };
  operands_->x = normal_operand(0, dtype, elements(x_bytes));
  operands_->weights = normal_operand(1, dtype, elements(weights_bytes));
  operands_->y = PageRegion(y_bytes);
  for (std::size_t i = 0; i < convs_.size(); ++i) time(i);
}

ConvProbe::~ConvProbe() = default;

double ConvProbe::run_round() {
  double sum = 0;
  for (std::size_t i = 0; i < convs_.size(); ++i) sum += time(i) * static_cast<double>(convs_[i].count);
  seconds_.push_back(sum);
  return sum;
}

double ConvProbe::time(std::size_t index) {
  const auto begin = std::chrono::steady_clock::now();
  operands_->convs[index].run(operands_->x.bytes(), operands_->weights.bytes(), operands_->y.bytes());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace steadyflux::bench
