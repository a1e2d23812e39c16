// Attention: rows across block borders, every head width in use, causal, with bias, fused inputs, mixed types.
#include <cmath>

#include "problem.h"

namespace steadyflux::conformance {
namespace {

struct AttentionShape {
  std::int64_t q_rows, kv_rows, heads, head_dim;
};

struct Variant {
  const char* name = "plain";
  bool causal = false;
  bool relative_bias = false;
  std::int64_t gap = 0;
  double spread = 3;  // values are in ± this: sharp enough that the maximum matters
};

std::string name_of(const AttentionShape& shape) {
  return std::to_string(shape.q_rows) + "x" + std::to_string(shape.kv_rows) + "_" + std::to_string(shape.heads) + "x" +
         std::to_string(shape.head_dim);
}

Case attention(const AttentionShape& shape, DType q, DType kv, DType out, const Variant& variant = {}) {
  const std::string name = std::string("attention_") + variant.name + "_" + name_of(shape) + "_" +
                           conformance::name_of(q) + "_" + conformance::name_of(kv) + "_" + conformance::name_of(out);
  return {
      name, [=](Builder& builder) -> ops::Op {
        const Shape q_shape = {shape.q_rows, shape.heads, shape.head_dim};
        const Shape kv_shape = {shape.kv_rows, shape.heads, shape.head_dim};
        const Spec spec = {.scale = variant.spread, .gap = variant.gap};
        ops::Attention op = {.q = builder.input(q, q_shape, spec),
                             .k = builder.input(kv, kv_shape, spec),
                             .v = builder.input(kv, kv_shape, {.gap = variant.gap}),
                             .scale = 1 / std::sqrt(static_cast<float>(shape.head_dim)),
                             .causal = variant.causal,
                             .out = builder.output(out, q_shape, {.gap = variant.gap})};
        if (variant.relative_bias) {
          op.relative_bias = builder.input(DType::kF32, {shape.heads, shape.q_rows + shape.kv_rows - 1}, {.scale = 5});
        }
        return op;
      }};
}

// q, k and v as thirds of one matrix.
Case fused(DType dtype) {
  return {"attention_fused_" + conformance::name_of(dtype), [=](Builder& builder) -> ops::Op {
            const std::int64_t width = 72;
            const Tensor qkv = builder.input(dtype, {50, 3 * width}, {.scale = 2, .gap = 11});
            return ops::Attention{.q = qkv.cols(0, width).split_heads(3),
                                  .k = qkv.cols(width, width).split_heads(3),
                                  .v = qkv.cols(2 * width, width).split_heads(3),
                                  .scale = 0.2f,
                                  .out = builder.output(dtype, {50, 3, 24})};
          }};
}

}  // namespace

std::vector<Case> attention_cases() {
  constexpr DType f32 = DType::kF32;
  constexpr DType bf16 = DType::kBF16;
  const Variant causal = {.name = "causal", .causal = true};
  const Variant biased = {.name = "biased", .relative_bias = true};
  const Variant strided = {.name = "strided", .gap = 9};
  const Variant sharp = {.name = "sharp", .spread = 20};
  std::vector<Case> cases;
  for (const DType type : {f32, bf16}) {
    for (const AttentionShape& shape : {AttentionShape{1, 1, 1, 8},
                                        {1, 700, 2, 16},
                                        {7, 15, 3, 24},
                                        {64, 64, 5, 40},
                                        {130, 513, 2, 64},
                                        {257, 100, 1, 128},
                                        {70, 385, 2, 128},
                                        {33, 70, 1, 512},
                                        {5, 129, 4, 33}}) {
      cases.push_back(attention(shape, type, type, type));
    }
    for (const AttentionShape& shape : {AttentionShape{1, 1, 1, 8},
                                        {77, 77, 3, 64},
                                        {140, 140, 1, 32},
                                        {600, 600, 1, 8},
                                        {5, 9, 2, 16},
                                        {9, 5, 2, 16}}) {
      cases.push_back(attention(shape, type, type, type, causal));
    }
    for (const AttentionShape& shape : {AttentionShape{1, 1, 2, 8}, {70, 70, 4, 64}, {130, 600, 1, 16}}) {
      cases.push_back(attention(shape, type, type, type, biased));
    }
    cases.push_back(attention({20, 30, 2, 40}, type, type, type, strided));
    cases.push_back(attention({20, 300, 2, 40}, type, type, f32, sharp));
    cases.push_back(attention({65, 257, 2, 128}, type, type, f32, sharp));
    cases.push_back(fused(type));
  }
  for (const DType q : {f32, bf16}) {
    for (const DType kv : {f32, bf16}) {
      for (const DType out : {f32, bf16}) cases.push_back(attention({19, 41, 2, 32}, q, kv, out));
    }
  }
  return cases;
}

}  // namespace steadyflux::conformance
