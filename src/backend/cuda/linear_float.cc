// Layers that multiply in the numbers of their activations: operands made where a tensor is none yet, products, and
// what follows them.
#include "backend/cuda/cuts.h"
#include "backend/cuda/hopper_group.h"
#include "backend/cuda/linear_parts.h"
#include "backend/cuda/operands.h"

namespace steadyflux::cuda {
namespace {

// With fewer rows a product is as slow as its weight is read, and the library, which then needs no sums in scratch,
// reads it faster.
constexpr std::int64_t kFewRows = 64;

// How one part is cut. Everything follows from shapes, dtypes and strides.
struct Cutting {
  DType operand = DType::kF32;
  std::int64_t depth = 0;  // of the operands: in_features, or rounded up to a unit
  bool pack_weight = false;
  bool hopper = false;         // no product of the library: HopperGroup
  bool direct = false;         // the library writes `out` itself
  std::int64_t features = 0;   // of a product, but for the last
  std::int64_t rows = 0;       // of a product, but for the last
  std::int64_t most_rows = 0;  // at least `rows`, and no more where there are fewer rows
};

bool is_float(const ops::LinearPart& part) { return part.compute == ops::Compute::kFloat; }

bool in_units(const Tensor& matrix) {
  const std::int64_t unit = unit_elements(matrix.dtype);
  return matrix.row_stride() % unit == 0;
}

// Whether cuBLASLt can read the matrix where it is, as quickly as any.
bool is_operand(const Tensor& matrix, DType operand) {
  return matrix.dtype == operand && in_units(matrix) && matrix.dim(1) % unit_elements(operand) == 0;
}

// Whether the library has the activation.
bool library_activates(const ops::LinearPart& part, DType operand) {
  if (part.activation == ops::Activation::kNone) return true;
  return part.activation == ops::Activation::kGeluTanh && !part.accumulate && operand == DType::kBF16 &&
         part.out.dtype == DType::kBF16;
}

// Whether the library can store the results and do all that is asked of them, with one rounding.
bool library_finishes(const ops::LinearPart& part, DType operand) {
  const Tensor& bias = part.linear.bias;
  const bool stores = part.out.dtype == DType::kF32 || operand == DType::kBF16;
  return stores && in_units(part.out) && library_activates(part, operand) && part.gate.empty() &&
         (bias.empty() || bias.dtype == part.out.dtype);
}

// As many rows as a panel of converted weights can have.
std::int64_t most_panel_rows(const Cutting& cutting) {
  return cut_size(kMostWeightBytes, cutting.depth * static_cast<std::int64_t>(dtype_bytes(cutting.operand)));
}

Cutting cut(const Context& context, const Tensor& x, const ops::LinearPart& part) {
  Cutting cutting;
  cutting.operand = operand_dtype(x.dtype);
  cutting.depth = round_up(x.dim(1), unit_elements(cutting.operand));
  cutting.pack_weight = !is_operand(part.linear.weight, cutting.operand);
  cutting.direct = library_finishes(part, cutting.operand);
  cutting.hopper =
      cutting.operand == DType::kBF16 && hopper_finishes(context, part) && !(cutting.direct && x.dim(0) <= kFewRows);
  cutting.features = part.out.dim(1);
  cutting.rows = x.dim(0);
  if (cutting.pack_weight) cutting.features = even_part(cutting.features, most_panel_rows(cutting));
  if (!cutting.direct && !cutting.hopper) {
    const std::int64_t most = cut_size(kMostSums, cutting.features);
    cutting.rows = even_part(cutting.rows, most);
    cutting.most_rows = std::min(x.dim(0), most);
  }
  return cutting;
}

// Distance between rows of sums in scratch.
std::int64_t sums_stride(std::int64_t features) { return round_up(features, unit_elements(DType::kF32)); }

Product product_of(const Cutting& cutting, const Tensor& x, const ops::LinearPart& part, Block rows, Block features) {
  return {.rows = rows.count,
          .features = features.count,
          .depth = cutting.depth,
          .x_stride = is_operand(x, cutting.operand) ? x.row_stride() : cutting.depth,
          .weight_stride = cutting.pack_weight ? cutting.depth : part.linear.weight.row_stride(),
          .out_stride = cutting.direct ? part.out.row_stride() : sums_stride(cutting.features),
          .operand = cutting.operand,
          .out = cutting.direct ? part.out.dtype : DType::kF32,
          .has_bias = cutting.direct && !part.linear.bias.empty(),
          .gelu = cutting.direct && part.activation == ops::Activation::kGeluTanh,
          .accumulate = cutting.direct && part.accumulate};
}

struct Scratch {
  std::byte* x = nullptr;
  std::byte* weight = nullptr;
  std::int64_t weight_rows = 0;  // that there is room for, of the operands' depth
  std::byte* sums = nullptr;
  std::byte* workspace = nullptr;
};

// Rows of the panel for the parts for Hopper: as many of them side by side as may be.
std::int64_t grouped_rows(const Context& context, const ops::LinearMany& op, const Cutting& any) {
  PanelRows panel(most_panel_rows(any));
  for (const ops::LinearPart& part : op.parts) {
    if (!is_float(part)) continue;
    const Cutting cutting = cut(context, op.x, part);
    if (!cutting.hopper || !cutting.pack_weight) continue;
    for_each_block(part.out.dim(1), cutting.features, [&](Block features) {
      if (!panel.has(features.count)) panel.clear();
      panel.take(features.count);
    });
  }
  return panel.largest();
}

// As large as the largest part needs.
Scratch allocate(const Context& context, const ops::LinearMany& op, Arena& arena) {
  const DType operand = operand_dtype(op.x.dtype);
  std::int64_t depth = 0;
  std::size_t x_bytes = 0;
  std::size_t sums_bytes = 0;
  Scratch scratch;
  for (const ops::LinearPart& part : op.parts) {
    if (!is_float(part)) continue;
    const Cutting cutting = cut(context, op.x, part);
    depth = cutting.depth;
    if (!is_operand(op.x, operand)) x_bytes = tensor_bytes(operand, {op.x.dim(0), depth});
    if (cutting.pack_weight) {
      const std::int64_t rows = cutting.hopper ? grouped_rows(context, op, cutting) : cutting.features;
      scratch.weight_rows = std::max(scratch.weight_rows, rows);
    }
    if (!cutting.direct && !cutting.hopper) {
      sums_bytes = std::max(sums_bytes, tensor_bytes(DType::kF32, {cutting.most_rows, sums_stride(cutting.features)}));
    }
  }
  scratch.x = arena.allocate(x_bytes);
  scratch.weight = arena.allocate(tensor_bytes(operand, {scratch.weight_rows, depth}));
  scratch.sums = arena.allocate(sums_bytes);
  scratch.workspace = Products::allocate_workspace(arena);
  return scratch;
}

// One product of a part and what follows it; `weight` begins with the first of `features`.
void multiply(Context& context, const Cutting& cutting, const Tensor& x, const Tensor& x_rows, const std::byte* weight,
              const ops::LinearPart& part, Block rows, Block features, const Scratch& scratch) {
  const Tensor out = part.out.rows(rows.begin, rows.count).cols(features.begin, features.count);
  const Tensor bias = slice(part.linear.bias, features);
  Product product = product_of(cutting, x, part, rows, features);
  const ProductMemory memory = {.x = x_rows.data,
                                .weight = weight,
                                .bias = product.has_bias ? bias.data : nullptr,
                                .out = cutting.direct ? out.data : scratch.sums};
  product.aligned = is_aligned(memory);
  context.products.run(product, memory, scratch.workspace, context.stream);
  if (cutting.direct) return;
  const Epilogue epilogue = {.bias = view_of(bias),
                             .activation = part.activation,
                             .gate = view_of(slice(part.gate, features)),
                             .accumulate = part.accumulate};
  finish({reinterpret_cast<const float*>(scratch.sums), product.out_stride}, epilogue, view_of(out), rows.count,
         features.count, context.stream);
}

void run_part(Context& context, const Cutting& cutting, const Tensor& x, const Tensor& x_operand,
              const ops::LinearPart& part, const Scratch& scratch) {
  for_each_block(part.out.dim(1), cutting.features, [&](Block features) {
    const Tensor weight = part.linear.weight.rows(features.begin, features.count);
    if (cutting.pack_weight) {
      pack(weight_view(weight), features.count, x.dim(1), context.tables,
           {scratch.weight, cutting.depth, cutting.operand}, context.stream);
    }
    for_each_block(x.dim(0), cutting.rows, [&](Block rows) {
      multiply(context, cutting, x, x_operand.rows(rows.begin, rows.count),
               cutting.pack_weight ? scratch.weight : weight.data, part, rows, features, scratch);
    });
  });
}

// What no model asks for: operands at odd addresses, copied to the workspace, which nothing else needs here.
void run_misaligned(Context& context, const Cutting& cutting, const Tensor& x, const ops::LinearPart& part,
                    std::byte* workspace) {
  constexpr std::size_t kHalf = Products::kWorkspaceBytes / 2;
  const auto row_bytes = static_cast<std::size_t>(cutting.depth) * dtype_bytes(cutting.operand);
  const auto most = static_cast<std::int64_t>(kHalf / row_bytes);
  const auto copy = [&](const Tensor& matrix, std::byte* to) {
    pack(weight_view(matrix), matrix.dim(0), matrix.dim(1), context.tables, {to, cutting.depth, cutting.operand},
         context.stream);
  };
  for_each_block(part.out.dim(1), most, [&](Block features) {
    copy(part.linear.weight.rows(features.begin, features.count), workspace);
    for_each_block(x.dim(0), most, [&](Block rows) {
      copy(x.rows(rows.begin, rows.count), workspace + kHalf);
      ops::LinearPart of_rows = part;
      of_rows.out = part.out.rows(rows.begin, rows.count);
      HopperGroup group(context, {workspace + kHalf, cutting.depth, rows.count, cutting.depth, cutting.operand}, 0);
      group.add(of_rows, features, {workspace, cutting.depth});
      group.run();
    });
  });
}

void run_hopper_part(Context& context, const Cutting& cutting, const Tensor& x, const Tensor& x_operand,
                     const ops::LinearPart& part, const Scratch& scratch, HopperGroup& group) {
  const Tensor& matrix = part.linear.weight;
  if (!begins_unit(x_operand.data) || !(cutting.pack_weight || begins_unit(matrix.data))) {
    group.run();
    run_misaligned(context, cutting, x, part, scratch.workspace);
    return;
  }
  for_each_block(part.out.dim(1), cutting.features, [&](Block features) {
    WeightRows weight = {matrix.data, matrix.row_stride()};
    if (cutting.pack_weight) {
      const std::int64_t first = group.take_panel_rows(features.count);
      std::byte* const panel =
          scratch.weight + static_cast<std::size_t>(first * cutting.depth) * dtype_bytes(cutting.operand);
      pack(weight_view(matrix.rows(features.begin, features.count)), features.count, x.dim(1), context.tables,
           {panel, cutting.depth, cutting.operand}, context.stream);
      weight = {panel, cutting.depth};
    }
    group.add(part, features, weight);
  });
}

// The input as the library reads it.
Tensor make_operand(Context& context, const Tensor& x, std::byte* scratch) {
  const DType operand = operand_dtype(x.dtype);
  if (is_operand(x, operand)) return x;
  const std::int64_t depth = round_up(x.dim(1), unit_elements(operand));
  pack(weight_view(x), x.dim(0), x.dim(1), context.tables, {scratch, depth, operand}, context.stream);
  return {scratch, operand, {x.dim(0), depth}};
}

}  // namespace

void prepare_float_parts(Context& context, const ops::LinearMany& op, Arena& arena) {
  if (std::ranges::none_of(op.parts, is_float)) return;
  const ArenaScope scope(arena);
  allocate(context, op, arena);
  for (const ops::LinearPart& part : op.parts) {
    if (!is_float(part)) continue;
    const Cutting cutting = cut(context, op.x, part);
    if (cutting.hopper) continue;
    for_each_block(part.out.dim(1), cutting.features, [&](Block features) {
      for_each_block(op.x.dim(0), cutting.rows,
                     [&](Block rows) { context.products.prepare(product_of(cutting, op.x, part, rows, features)); });
    });
  }
}

void run_float_parts(Context& context, const ops::LinearMany& op, Arena& arena) {
  if (std::ranges::none_of(op.parts, is_float)) return;
  const ArenaScope scope(arena);
  const Scratch scratch = allocate(context, op, arena);
  const Tensor x = make_operand(context, op.x, scratch.x);
  HopperGroup group(context, {x.data, x.row_stride(), x.dim(0), x.dim(1), x.dtype}, scratch.weight_rows);
  for (const ops::LinearPart& part : op.parts) {
    if (!is_float(part)) continue;
    const Cutting cutting = cut(context, op.x, part);
    if (cutting.hopper) {
      run_hopper_part(context, cutting, op.x, x, part, scratch, group);
    } else {
      group.run();
      run_part(context, cutting, op.x, x, part, scratch);
    }
  }
  group.run();
}

}  // namespace steadyflux::cuda
