// Linear layers and tables whose weights are i8 or of a quantised type: every type in every way that a weight is used.
#include <string>
#include <utility>

#include "problem.h"

namespace steadyflux::conformance {
namespace {

using ops::Activation;

struct Weights {
  DType dtype;
  bool nested = false;
};

struct Activations {
  DType x, out;
};

std::string name_of(const Weights& weights, const Activations& types) {
  return conformance::name_of(types.x) + "_" + conformance::name_of(weights.dtype) +
         (weights.nested ? "_nested_" : "_") + conformance::name_of(types.out);
}

// As many elements as fill whole blocks, at least `least`; of a type that has none, so many.
std::int64_t whole_blocks(DType dtype, std::int64_t least) {
  const std::int64_t block = block_shape(dtype).elements;
  return (least + block - 1) / block * block;
}

Case plain(std::int64_t rows, std::int64_t least_depth, std::int64_t columns, const Weights& weights,
           const Activations& types) {
  const std::int64_t depth = whole_blocks(weights.dtype, least_depth);
  const std::string size = std::to_string(rows) + "x" + std::to_string(depth) + "x" + std::to_string(columns) + "_";
  return {"linear_" + size + name_of(weights, types), [=](Builder& builder) -> ops::Op {
            const Tensor x = builder.input(types.x, {rows, depth});
            const Tensor weight = builder.input(weights.dtype, {columns, depth}, {.nested = weights.nested});
            const Tensor out = builder.output(types.out, {rows, columns});
            return ops::LinearMany{x, builder.parts({{.linear = {.weight = weight}, .out = out}})};
          }};
}

// The weight is some rows and columns of a wider matrix, which itself has gaps.
Case view(const Weights& weights, const Activations& types) {
  return {"linear_view_" + name_of(weights, types), [=](Builder& builder) -> ops::Op {
            const std::int64_t depth = whole_blocks(weights.dtype, 200);
            const std::int64_t skipped = whole_blocks(weights.dtype, 60);
            const Tensor matrix = builder.input(weights.dtype, {40, skipped + depth},
                                                {.gap = whole_blocks(weights.dtype, 1), .nested = weights.nested});
            const Tensor x = builder.input(types.x, {19, depth}, {.gap = 3});
            const Tensor out = builder.output(types.out, {19, 33}, {.gap = 5});
            const Tensor weight = matrix.rows(5, 33).cols(skipped, depth);
            return ops::LinearMany{x, builder.parts({{.linear = {.weight = weight}, .out = out}})};
          }};
}

// Parts of different types on one input, each with another epilogue.
Case shared_input(const Weights& weights, DType activations) {
  return {
      "linear_shared_" + name_of(weights, {activations, activations}), [=](Builder& builder) -> ops::Op {
        const std::int64_t depth = 256;
        const Tensor x = builder.input(activations, {70, depth}, {.gap = 5});
        const auto linear = [&](DType dtype, std::int64_t columns, bool nested) -> ops::Linear {
          return {builder.input(dtype, {columns, depth}, {.nested = nested}), builder.input(DType::kF32, {columns})};
        };
        std::vector<ops::LinearPart> parts;
        parts.push_back({.linear = linear(weights.dtype, 48, weights.nested),
                         .out = builder.output(activations, {70, 48}),
                         .activation = Activation::kGeluTanh});
        parts.push_back({.linear = linear(DType::kBF16, 31, false), .out = builder.output(DType::kF32, {70, 31})});
        parts.push_back({.linear = linear(weights.dtype, 129, weights.nested),
                         .out = builder.input(activations, {70, 129}),
                         .activation = Activation::kSilu,
                         .gate = builder.input(DType::kF32, {129}),
                         .accumulate = true});
        return ops::LinearMany{x, builder.parts(parts)};
      }};
}

// Multiplied in integers: i8 as it is stored, every other type by the largest magnitude of its decoded rows.
Case int8(const Weights& weights, DType activations) {
  return {"linear_int8_" + name_of(weights, {activations, activations}), [=](Builder& builder) -> ops::Op {
            const std::int64_t depth = whole_blocks(weights.dtype, 200);
            const Tensor x = builder.input(activations, {21, depth}, {.gap = 3});
            const ops::Linear linear = {
                builder.input(weights.dtype, {133, depth},
                              {.gap = whole_blocks(weights.dtype, 1), .nested = weights.nested}),
                builder.input(DType::kF32, {133})};
            const Tensor out = builder.output(activations, {21, 133});
            return ops::LinearMany{x, builder.parts({{.linear = linear, .out = out, .compute = ops::Compute::kInt8}})};
          }};
}

Case embed(const Weights& table, DType out, bool positions) {
  const std::string name = "embed_rows_" + conformance::name_of(table.dtype) + (table.nested ? "_nested_" : "_") +
                           conformance::name_of(out) + (positions ? "_positions" : "");
  return {name, [=](Builder& builder) -> ops::Op {
            const std::int64_t width = whole_blocks(table.dtype, 1100);
            ops::EmbedRows op = {.table = builder.input(table.dtype, {50, width},
                                                        {.gap = whole_blocks(table.dtype, 2), .nested = table.nested}),
                                 .ids = builder.ids(23, 50),
                                 .out = builder.output(out, {23, width}, {.gap = 1})};
            if (positions) op.positions = builder.input(out, {26, width});
            return op;
          }};
}

}  // namespace

std::vector<Case> quantised_cases() {
  constexpr DType f32 = DType::kF32;
  constexpr DType bf16 = DType::kBF16;
  std::vector<Weights> all = {{DType::kNf4, true}, {DType::kFp4, true}};
  for (const DType dtype : matrix_types()) all.push_back({dtype});
  std::vector<Case> cases;
  for (const Weights& weights : all) {
    for (const Activations& types : {Activations{f32, f32}, {bf16, bf16}, {bf16, f32}}) {
      cases.push_back(plain(17, 33, 24, weights, types));
      cases.push_back(view(weights, types));
    }
    for (const DType activations : {f32, bf16}) {
      cases.push_back(shared_input(weights, activations));
      cases.push_back(embed(weights, activations, activations == bf16));
      cases.push_back(int8(weights, activations));
      // Across strips; and several row tiles on one decoded panel.
      cases.push_back(plain(7, 1100, 133, weights, {activations, activations}));
    }
    cases.push_back(plain(300, 64, 130, weights, {bf16, bf16}));
  }
  return cases;
}

}  // namespace steadyflux::conformance
