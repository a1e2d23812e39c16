// Layers that multiply in integers of 8 bits (ops::LinearPart).
#include "backend/cuda/cuts.h"
#include "backend/cuda/hopper_group.h"
#include "backend/cuda/linear_parts.h"
#include "backend/cuda/operands.h"

namespace steadyflux::cuda {
namespace {

// Depth and features of the library's integer products are whole units of so many bytes.
constexpr std::int64_t kDepthUnit = 16;
constexpr std::int64_t kFeatureUnit = 4;

// How one part is cut. Everything follows from shapes.
struct Cutting {
  bool hopper = false;         // no product of the library: HopperGroup
  std::int64_t depth = 0;      // of the operands
  std::int64_t features = 0;   // of a product, but for the last
  std::int64_t rows = 0;       // of a product, but for the last
  std::int64_t most_rows = 0;  // at least `rows`, and no more where there are fewer rows
};

bool is_int8(const ops::LinearPart& part) { return part.compute == ops::Compute::kInt8; }

Cutting cut(const Context& context, const Tensor& x, const ops::LinearPart& part) {
  Cutting cutting;
  cutting.hopper = hopper_finishes(context, part);
  cutting.depth = round_up(x.dim(1), kDepthUnit);
  cutting.features = even_part(part.out.dim(1), cut_size(kMostWeightBytes, cutting.depth));
  const std::int64_t most = cut_size(kMostSums, cutting.features);
  cutting.rows = even_part(x.dim(0), most);
  cutting.most_rows = std::min(x.dim(0), most);
  return cutting;
}

// The product also has the rows of zeros that follow the weight's.
Product product_of(const Cutting& cutting, Block rows, Block features) {
  return {.rows = rows.count,
          .features = round_up(features.count, kFeatureUnit),
          .depth = cutting.depth,
          .x_stride = cutting.depth,
          .weight_stride = cutting.depth,
          .out_stride = round_up(cutting.features, kFeatureUnit),
          .operand = DType::kI8,
          .out = DType::kI32};
}

struct Scratch {
  Int8Operand x;
  Int8Operand weight;
  std::int64_t weight_rows = 0;  // that there is room for
  std::byte* sums = nullptr;
  std::byte* workspace = nullptr;
};

Int8Operand allocate_operand(Arena& arena, std::int64_t rows, std::int64_t depth) {
  const Tensor integers = arena.allocate(DType::kI8, {rows, depth});
  return {integers.data, depth, arena.allocate(DType::kF32, {rows}).as<float>()};
}

// Rows of the panel for the parts for Hopper: as many of them side by side as may be.
std::int64_t grouped_rows(const Context& context, const ops::LinearMany& op, std::int64_t depth) {
  PanelRows panel(cut_size(kMostWeightBytes, depth));
  for (const ops::LinearPart& part : op.parts) {
    if (!is_int8(part) || !hopper_finishes(context, part)) continue;
    for_each_block(part.out.dim(1), cut(context, op.x, part).features, [&](Block features) {
      const std::int64_t rows = round_up(features.count, kFeatureUnit);
      if (!panel.has(rows)) panel.clear();
      panel.take(rows);
    });
  }
  return panel.largest();
}

// As large as the largest part needs; all have the depth of the input.
Scratch allocate(const Context& context, const ops::LinearMany& op, Arena& arena) {
  const std::int64_t depth = round_up(op.x.dim(1), kDepthUnit);
  Scratch scratch;
  scratch.weight_rows = grouped_rows(context, op, depth);
  std::int64_t sums = 0;
  for (const ops::LinearPart& part : op.parts) {
    if (!is_int8(part)) continue;
    const Cutting cutting = cut(context, op.x, part);
    if (cutting.hopper) continue;
    const std::int64_t stride = round_up(cutting.features, kFeatureUnit);
    scratch.weight_rows = std::max(scratch.weight_rows, stride);
    sums = std::max(sums, cutting.most_rows * stride);
  }
  scratch.x = allocate_operand(arena, op.x.dim(0), depth);
  scratch.weight = allocate_operand(arena, scratch.weight_rows, depth);
  scratch.sums = arena.allocate(DType::kI32, {sums}).data;
  scratch.workspace = Products::allocate_workspace(arena);
  return scratch;
}

// Whether integers that are stored can be multiplied where they lie.
bool is_operand(const Tensor& weight, std::int64_t depth) {
  return weight.dtype == DType::kI8 && weight.scales.nested == nullptr && weight.dim(1) == depth &&
         weight.row_stride() == depth && weight.dim(0) % kFeatureUnit == 0 &&
         reinterpret_cast<std::uintptr_t>(weight.data) % kDepthUnit == 0;
}

Int8Rows make_operand(Context& context, const Tensor& weight, const Int8Operand& scratch) {
  if (is_operand(weight, scratch.depth)) {
    return {weight.data, reinterpret_cast<const float*>(weight.scales.values) + weight.scales.first};
  }
  const std::int64_t features = weight.dim(0);
  pack_int8(weight_view(weight), features, round_up(features, kFeatureUnit), weight.dim(1), context.tables, scratch,
            context.stream);
  return {scratch.data, scratch.scales};
}

// One product of a part and what follows it.
void multiply(Context& context, const Cutting& cutting, const ops::LinearPart& part, const Int8Rows& weight, Block rows,
              Block features, const Scratch& scratch) {
  const Product product = product_of(cutting, rows, features);
  const ProductMemory memory = {
      .x = scratch.x.data + rows.begin * cutting.depth, .weight = weight.data, .bias = nullptr, .out = scratch.sums};
  context.products.run(product, memory, scratch.workspace, context.stream);
  const Int8Sums sums = {reinterpret_cast<const std::int32_t*>(scratch.sums), product.out_stride,
                         scratch.x.scales + rows.begin, weight.scales};
  const Epilogue epilogue = {.bias = view_of(slice(part.linear.bias, features)),
                             .activation = part.activation,
                             .gate = view_of(slice(part.gate, features)),
                             .accumulate = part.accumulate};
  const Tensor out = part.out.rows(rows.begin, rows.count).cols(features.begin, features.count);
  finish(sums, epilogue, view_of(out), rows.count, features.count, context.stream);
}

void run_part(Context& context, const Cutting& cutting, const Tensor& x, const ops::LinearPart& part,
              const Scratch& scratch) {
  for_each_block(part.out.dim(1), cutting.features, [&](Block features) {
    const Int8Rows weight =
        make_operand(context, part.linear.weight.rows(features.begin, features.count), scratch.weight);
    for_each_block(x.dim(0), cutting.rows,
                   [&](Block rows) { multiply(context, cutting, part, weight, rows, features, scratch); });
  });
}

void run_hopper_part(Context& context, const Cutting& cutting, const ops::LinearPart& part, const Scratch& scratch,
                     HopperGroup& group) {
  for_each_block(part.out.dim(1), cutting.features, [&](Block features) {
    const std::int64_t first = group.take_panel_rows(round_up(features.count, kFeatureUnit));
    const Int8Operand panel = {scratch.weight.data + first * cutting.depth, cutting.depth,
                               scratch.weight.scales + first};
    const Int8Rows weight = make_operand(context, part.linear.weight.rows(features.begin, features.count), panel);
    group.add(part, features, weight);
  });
}

}  // namespace

void prepare_int8_parts(Context& context, const ops::LinearMany& op, Arena& arena) {
  if (std::ranges::none_of(op.parts, is_int8)) return;
  const ArenaScope scope(arena);
  allocate(context, op, arena);
  for (const ops::LinearPart& part : op.parts) {
    if (!is_int8(part)) continue;
    const Cutting cutting = cut(context, op.x, part);
    if (cutting.hopper) continue;
    for_each_block(part.out.dim(1), cutting.features, [&](Block features) {
      for_each_block(op.x.dim(0), cutting.rows,
                     [&](Block rows) { context.products.prepare(product_of(cutting, rows, features)); });
    });
  }
}

void run_int8_parts(Context& context, const ops::LinearMany& op, Arena& arena) {
  if (std::ranges::none_of(op.parts, is_int8)) return;
  const ArenaScope scope(arena);
  const Scratch scratch = allocate(context, op, arena);
  pack_int8(weight_view(op.x), op.x.dim(0), op.x.dim(0), op.x.dim(1), context.tables, scratch.x, context.stream);
  HopperGroup group(context, {scratch.x.data, scratch.x.scales, op.x.dim(0), scratch.x.depth}, scratch.weight_rows);
  for (const ops::LinearPart& part : op.parts) {
    if (!is_int8(part)) continue;
    const Cutting cutting = cut(context, op.x, part);
    if (cutting.hopper) {
      run_hopper_part(context, cutting, part, scratch, group);
    } else {
      group.run();
      run_part(context, cutting, op.x, part, scratch);
    }
  }
  group.run();
}

}  // namespace steadyflux::cuda
