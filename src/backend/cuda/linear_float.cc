// Layers that multiply in the numbers of their activations: operands made where a tensor is none yet, products, and
// what follows them.
#include "backend/cuda/cuts.h"
#include "backend/cuda/linear_parts.h"
#include "backend/cuda/operands.h"

namespace steadyflux::cuda {
namespace {

// How one part is cut. Everything follows from shapes, dtypes and strides.
struct Cutting {
  DType operand = DType::kF32;
  std::int64_t depth = 0;  // of the operands: in_features, or rounded up to a unit
  bool pack_weight = false;
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
  return part.activation == ops::Activation::kGeluTanh && operand == DType::kBF16 && part.out.dtype == DType::kBF16;
}

// Whether the library can store the results and do all that is asked of them, with one rounding. What it adds to bf16
// it may round to bf16 before, as it does for small products on an H200.
bool library_finishes(const ops::LinearPart& part, DType operand) {
  const Tensor& bias = part.linear.bias;
  const bool stores = part.out.dtype == DType::kF32 || (operand == DType::kBF16 && !part.accumulate);
  return stores && in_units(part.out) && library_activates(part, operand) && part.gate.empty() &&
         (bias.empty() || bias.dtype == part.out.dtype);
}

Cutting cut(const Tensor& x, const ops::LinearPart& part) {
  Cutting cutting;
  cutting.operand = operand_dtype(x.dtype);
  cutting.depth = round_up(x.dim(1), unit_elements(cutting.operand));
  cutting.pack_weight = !is_operand(part.linear.weight, cutting.operand);
  cutting.direct = library_finishes(part, cutting.operand);
  cutting.features = part.out.dim(1);
  cutting.rows = x.dim(0);
  if (cutting.pack_weight) {
    const auto row_bytes = cutting.depth * static_cast<std::int64_t>(dtype_bytes(cutting.operand));
    cutting.features = even_part(cutting.features, cut_size(kMostWeightBytes, row_bytes));
  }
  if (!cutting.direct) {
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
  std::byte* sums = nullptr;
  std::byte* workspace = nullptr;
};

// As large as the largest part needs.
Scratch allocate(const ops::LinearMany& op, Arena& arena) {
  std::size_t x_bytes = 0;
  std::size_t weight_bytes = 0;
  std::size_t sums_bytes = 0;
  for (const ops::LinearPart& part : op.parts) {
    if (!is_float(part)) continue;
    const Cutting cutting = cut(op.x, part);
    if (!is_operand(op.x, cutting.operand)) x_bytes = tensor_bytes(cutting.operand, {op.x.dim(0), cutting.depth});
    if (cutting.pack_weight) {
      weight_bytes = std::max(weight_bytes, tensor_bytes(cutting.operand, {cutting.features, cutting.depth}));
    }
    if (!cutting.direct) {
      sums_bytes = std::max(sums_bytes, tensor_bytes(DType::kF32, {cutting.most_rows, sums_stride(cutting.features)}));
    }
  }
  return {arena.allocate(x_bytes), arena.allocate(weight_bytes), arena.allocate(sums_bytes),
          Products::allocate_workspace(arena)};
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

void run_part(Context& context, const Tensor& x, const Tensor& x_operand, const ops::LinearPart& part,
              const Scratch& scratch) {
  const Cutting cutting = cut(x, part);
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
  allocate(op, arena);
  for (const ops::LinearPart& part : op.parts) {
    if (!is_float(part)) continue;
    const Cutting cutting = cut(op.x, part);
    for_each_block(part.out.dim(1), cutting.features, [&](Block features) {
      for_each_block(op.x.dim(0), cutting.rows,
                     [&](Block rows) { context.products.prepare(product_of(cutting, op.x, part, rows, features)); });
    });
  }
}

void run_float_parts(Context& context, const ops::LinearMany& op, Arena& arena) {
  if (std::ranges::none_of(op.parts, is_float)) return;
  const ArenaScope scope(arena);
  const Scratch scratch = allocate(op, arena);
  const Tensor x = make_operand(context, op.x, scratch.x);
  for (const ops::LinearPart& part : op.parts) {
    if (is_float(part)) run_part(context, op.x, x, part, scratch);
  }
}

}  // namespace steadyflux::cuda
