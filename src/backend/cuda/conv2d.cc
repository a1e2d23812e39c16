// Convolution: the windows of many pixels as one matrix, times the filter.
#include <algorithm>

#include "backend/arena.h"
#include "backend/cuda/matrix_ops.h"
#include "backend/cuda/operands.h"
#include "base/checked.h"

namespace steadyflux::cuda {
namespace {

// Windows and sums in scratch, at most.
constexpr std::int64_t kMostWindowBytes = std::int64_t{64} << 20;
constexpr std::int64_t kMostSumBytes = std::int64_t{32} << 20;
constexpr std::int64_t kMostPixels = std::int64_t{16} << 10;
constexpr std::int64_t kCut = 128;

// A convolution as products of `pixels` rows each. An image that is convolved in bands must come out with the bits of
// the whole, so nothing here may follow from its height: each product has the same rows, filled up with zeros after the
// last pixel, and no sum is cut.
struct Plan {
  Product product;
  std::int64_t pixels = 0;
};

Plan plan_of(const ops::Conv2d& op) {
  const DType operand = operand_dtype(op.x.dtype);
  const std::int64_t features = op.weight.dim(0);
  const std::int64_t depth = round_up(op.weight.shape.num_elements() / features, unit_elements(operand));
  const std::int64_t stride = round_up(features, unit_elements(DType::kF32));
  const auto window_bytes = depth * static_cast<std::int64_t>(dtype_bytes(operand));
  const auto sum_bytes = stride * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t width = op.out.dim(1);
  // No more than a square image has.
  const std::int64_t most = std::min({kMostWindowBytes / window_bytes, kMostSumBytes / sum_bytes, kMostPixels});
  const std::int64_t pixels = std::min(std::max(most / kCut, std::int64_t{1}) * kCut, round_up(width * width, kCut));
  return {{.rows = pixels,
           .features = features,
           .depth = depth,
           .x_stride = depth,
           .weight_stride = depth,
           .out_stride = stride,
           .operand = operand,
           .out = DType::kF32,
           .may_split_depth = false},
          pixels};
}

struct Scratch {
  Operand filter;
  Operand windows;
  std::byte* sums = nullptr;
  std::byte* workspace = nullptr;
};

Scratch allocate(const Plan& plan, Arena& arena) {
  const Product& product = plan.product;
  const auto operand = [&](std::int64_t rows) -> Operand {
    return {arena.allocate(tensor_bytes(product.operand, {rows, product.depth})), product.depth, product.operand};
  };
  Scratch scratch;
  scratch.filter = operand(product.features);
  scratch.windows = operand(plan.pixels);
  scratch.sums = arena.allocate(tensor_bytes(DType::kF32, {plan.pixels, product.out_stride}));
  scratch.workspace = Products::allocate_workspace(arena);
  return scratch;
}

}  // namespace

std::size_t scratch_bytes(Context& context, const ops::Conv2d& op) {
  Arena arena = Arena::measuring();
  const Plan plan = plan_of(op);
  context.products.prepare(plan.product);
  allocate(plan, arena);
  return arena.peak_bytes();
}

void run(Context& context, const ops::Conv2d& op, std::span<std::byte> scratch_memory) {
  const Plan plan = plan_of(op);
  Arena arena(scratch_memory.data(), scratch_memory.size());
  const Scratch scratch = allocate(plan, arena);
  pack_filter(op.weight, scratch.filter, context.stream);
  const std::int64_t features = op.out.dim(2);
  const Tensor pixels = op.out.reshaped({op.out.dim(0) * op.out.dim(1), features});
  const Epilogue epilogue = {.bias = view_of(op.bias), .accumulate = op.accumulate};
  for (std::int64_t first = 0; first < pixels.dim(0); first += plan.pixels) {
    pack_windows(op, first, plan.pixels, scratch.windows, context.stream);
    const ProductMemory memory = {
        .x = scratch.windows.data, .weight = scratch.filter.data, .bias = nullptr, .out = scratch.sums};
    context.products.run(plan.product, memory, scratch.workspace, context.stream);
    const std::int64_t count = std::min(plan.pixels, pixels.dim(0) - first);
    finish({reinterpret_cast<const float*>(scratch.sums), plan.product.out_stride}, epilogue,
           view_of(pixels.rows(first, count)), count, features, context.stream);
  }
}

}  // namespace steadyflux::cuda
