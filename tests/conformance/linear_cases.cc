// Linear layers: every type, odd sizes, sizes across tile borders, every epilogue, strided operands.
#include "problem.h"

namespace steadyflux::conformance {
namespace {

using ops::Activation;

struct LinearShape {
  std::int64_t rows, in_features, out_features;
};

struct LinearTypes {
  DType x, weight, out;
};

std::string name_of(const LinearShape& shape, const LinearTypes& types) {
  return std::to_string(shape.rows) + "x" + std::to_string(shape.in_features) + "x" +
         std::to_string(shape.out_features) + "_" + conformance::name_of(types.x) + "_" +
         conformance::name_of(types.weight) + "_" + conformance::name_of(types.out);
}

Case plain(const LinearShape& shape, const LinearTypes& types) {
  return {"linear_" + name_of(shape, types), [=](Builder& builder) -> ops::Op {
            const Tensor x = builder.input(types.x, {shape.rows, shape.in_features});
            const Tensor weight = builder.input(types.weight, {shape.out_features, shape.in_features});
            const Tensor out = builder.output(types.out, {shape.rows, shape.out_features});
            return ops::LinearMany{x, builder.parts({{.linear = {.weight = weight}, .out = out}})};
          }};
}

// Bias, activation, and the result added to what is there, with or without a gate.
Case epilogue(const std::string& name, Activation activation, bool gated, bool accumulate, const LinearTypes& types,
              const LinearShape& shape = {37, 65, 29}) {
  return {"linear_" + name, [=](Builder& builder) -> ops::Op {
            const Tensor x = builder.input(types.x, {shape.rows, shape.in_features});
            const ops::Linear linear = {builder.input(types.weight, {shape.out_features, shape.in_features}),
                                        builder.input(types.weight, {shape.out_features})};
            ops::LinearPart part = {.linear = linear,
                                    .out = builder.input(types.out, {shape.rows, shape.out_features}),
                                    .activation = activation,
                                    .accumulate = accumulate};
            if (gated) part.gate = builder.input(DType::kF32, {shape.out_features});
            return ops::LinearMany{x, builder.parts({part})};
          }};
}

// Input, weight and output are parts of wider matrices.
Case strided(const LinearTypes& types, std::int64_t gap) {
  const LinearShape shape = {33, 50, 47};
  return {
      "linear_strided_" + std::to_string(gap) + "_" + name_of(shape, types), [=](Builder& builder) -> ops::Op {
        const Tensor x = builder.input(types.x, {shape.rows, shape.in_features}, {.gap = gap});
        const Tensor weight = builder.input(types.weight, {shape.out_features, shape.in_features}, {.gap = gap + 2});
        const Tensor out = builder.output(types.out, {shape.rows, shape.out_features}, {.gap = gap + 4});
        return ops::LinearMany{x, builder.parts({{.linear = {.weight = weight}, .out = out}})};
      }};
}

// One input for three projections into one matrix and a wider layer of another type, as in a transformer block.
Case shared_input(DType activations, DType weights) {
  return {"linear_shared_" + conformance::name_of(activations) + "_" + conformance::name_of(weights),
          [=](Builder& builder) -> ops::Op {
            const std::int64_t width = 48;
            const Tensor x = builder.input(activations, {70, width}, {.gap = 5});
            const Tensor qkv = builder.output(activations, {70, 3 * width});
            std::vector<ops::LinearPart> parts;
            for (std::int64_t i = 0; i < 3; ++i) {
              const ops::Linear linear = {builder.input(weights, {width, width}), builder.input(weights, {width})};
              parts.push_back({.linear = linear, .out = qkv.cols(i * width, width)});
            }
            const Tensor wide = builder.output(DType::kF32, {70, 4 * width + 1});
            const Tensor wide_weight = builder.input(DType::kF32, {4 * width + 1, width});
            parts.push_back({.linear = {.weight = wide_weight}, .out = wide, .activation = Activation::kGeluTanh});
            return ops::LinearMany{x, builder.parts(parts)};
          }};
}

// What follows the products of integers.
struct Int8Epilogue {
  std::string name;
  Activation activation = Activation::kNone;
  bool gated = false;
  bool accumulate = false;
};

// In integers: bias, activation and gate as of floats; a row of zeros in both operands.
Case int8(const LinearShape& shape, const LinearTypes& types, std::int64_t gap = 0,
          const Int8Epilogue& epilogue = {"", Activation::kSilu, false, true}) {
  return {"linear_int8_" + epilogue.name + std::to_string(gap) + "_" + name_of(shape, types),
          [=](Builder& builder) -> ops::Op {
            const Tensor x = builder.input(types.x, {shape.rows, shape.in_features}, {.gap = gap});
            const Tensor zero_row = builder.input(types.x, {1, shape.in_features}, {.scale = 0});
            const Tensor weight = builder.input(types.weight, {shape.out_features, shape.in_features}, {.gap = gap});
            const Tensor bias = builder.input(types.weight, {shape.out_features});
            const Tensor out = builder.input(types.out, {shape.rows, shape.out_features}, {.gap = gap});
            ops::LinearPart part = {.linear = {weight, bias},
                                    .out = out,
                                    .activation = epilogue.activation,
                                    .accumulate = epilogue.accumulate,
                                    .compute = ops::Compute::kInt8};
            if (epilogue.gated) part.gate = builder.input(types.weight, {shape.out_features});
            return ops::LinearMany{shape.rows == 1 ? zero_row : x, builder.parts({part})};
          }};
}

// Every product as large as can be: sums that saturate on the way would show.
Case int8_extremes(DType types, double sign) {
  return {"linear_int8_extremes_" + conformance::name_of(types) + (sign < 0 ? "_negative" : "_positive"),
          [=](Builder& builder) -> ops::Op {
            const Tensor x = builder.input(types, {3, 4160}, {.scale = 0, .mean = 1.5 * sign});
            const Tensor weight = builder.input(types, {130, 4160}, {.scale = 0, .mean = 0.75});
            const Tensor out = builder.output(DType::kF32, {3, 130});
            return ops::LinearMany{
                x, builder.parts({{.linear = {.weight = weight}, .out = out, .compute = ops::Compute::kInt8}})};
          }};
}

// One input for layers in integers and in floats, as where a sensitive layer shares it.
Case int8_beside_float(DType activations) {
  return {"linear_int8_beside_float_" + conformance::name_of(activations), [=](Builder& builder) -> ops::Op {
            const Tensor x = builder.input(activations, {270, 96}, {.gap = 32});
            std::vector<ops::LinearPart> parts;
            for (const ops::Compute compute : {ops::Compute::kInt8, ops::Compute::kFloat, ops::Compute::kInt8}) {
              const ops::Linear linear = {builder.input(DType::kBF16, {140, 96}), builder.input(DType::kBF16, {140})};
              parts.push_back({.linear = linear, .out = builder.output(activations, {270, 140}), .compute = compute});
            }
            return ops::LinearMany{x, builder.parts(parts)};
          }};
}

}  // namespace

std::vector<Case> linear_cases() {
  constexpr DType f32 = DType::kF32;
  constexpr DType bf16 = DType::kBF16;
  constexpr DType f16 = DType::kF16;
  std::vector<Case> cases;
  for (const DType x : {f32, bf16}) {
    for (const DType weight : {f32, f16, bf16}) {
      for (const DType out : {f32, bf16}) {
        cases.push_back(plain({17, 40, 24}, {x, weight, out}));
        cases.push_back(strided({x, weight, out}, 3));
      }
      cases.push_back(shared_input(x, weight));
    }
  }
  const LinearTypes all_f32 = {f32, f32, f32};
  const LinearTypes all_bf16 = {bf16, bf16, bf16};
  const LinearTypes mixed = {f32, bf16, f32};
  for (const LinearTypes& types : {all_f32, all_bf16, mixed, LinearTypes{bf16, f16, f32}}) {
    for (const LinearShape& shape : {LinearShape{1, 1, 1},
                                     {1, 7, 1},
                                     {2, 1, 15},
                                     {1, 256, 3072},
                                     {3, 3072, 7},
                                     {15, 24, 15},
                                     {64, 64, 64},
                                     {77, 192, 40},
                                     {300, 64, 130},
                                     {513, 40, 129},
                                     {257, 15, 127},
                                     {7, 1100, 133},
                                     {5, 2049, 3}}) {
      cases.push_back(plain(shape, types));
    }
  }
  for (const std::int64_t gap : {16, 64}) cases.push_back(strided(all_bf16, gap));
  for (const LinearTypes& types : {all_f32, all_bf16, LinearTypes{bf16, bf16, f32}}) {
    const std::string suffix = "_" + conformance::name_of(types.x) + "_" + conformance::name_of(types.out);
    cases.push_back(epilogue("bias" + suffix, Activation::kNone, false, false, types));
    cases.push_back(epilogue("silu" + suffix, Activation::kSilu, false, false, types));
    cases.push_back(epilogue("gelu_tanh" + suffix, Activation::kGeluTanh, false, false, types));
    cases.push_back(epilogue("gelu_erf" + suffix, Activation::kGeluErf, false, false, types));
    cases.push_back(epilogue("quick_gelu" + suffix, Activation::kQuickGelu, false, false, types));
    cases.push_back(epilogue("accumulate" + suffix, Activation::kNone, false, true, types));
    cases.push_back(epilogue("gate" + suffix, Activation::kNone, true, true, types));
    cases.push_back(epilogue("silu_gate" + suffix, Activation::kSilu, true, true, types));
  }
  // Rows of whole units, which libraries finish themselves where they can, and others; across the borders of tiles.
  for (const LinearTypes& types : {all_bf16, LinearTypes{bf16, bf16, f32}}) {
    for (const LinearShape& shape : {LinearShape{37, 64, 32}, {270, 72, 264}, {259, 72, 331}, {130, 1032, 24}}) {
      const std::string suffix = "_of_" + name_of(shape, types);
      cases.push_back(epilogue("bias" + suffix, Activation::kNone, false, false, types, shape));
      cases.push_back(epilogue("gelu_tanh" + suffix, Activation::kGeluTanh, false, false, types, shape));
      cases.push_back(epilogue("accumulate" + suffix, Activation::kNone, false, true, types, shape));
      cases.push_back(epilogue("gate" + suffix, Activation::kNone, true, true, types, shape));
    }
  }
  for (const LinearTypes& types : {all_f32, all_bf16, mixed, LinearTypes{bf16, f16, f32}}) {
    for (const LinearShape& shape :
         {LinearShape{1, 32, 5}, {2, 1, 1}, {3, 7, 130}, {257, 65, 127}, {70, 2100, 33}, {5, 12300, 129}}) {
      cases.push_back(int8(shape, types));
    }
    cases.push_back(int8({33, 50, 47}, types, 6));
  }
  for (const LinearTypes& types : {all_bf16, LinearTypes{bf16, f16, f32}}) {
    for (const LinearShape& shape : {LinearShape{1, 40, 9}, {130, 200, 264}, {259, 65, 331}, {70, 2100, 33}}) {
      for (const Int8Epilogue& each : {Int8Epilogue{"bias_"},
                                       {"gelu_tanh_", Activation::kGeluTanh},
                                       {"accumulate_", Activation::kNone, false, true},
                                       {"gate_", Activation::kNone, true, true}}) {
        cases.push_back(int8(shape, types, 0, each));
      }
    }
  }
  for (const DType types : {f32, bf16}) {
    cases.push_back(int8_extremes(types, 1));
    cases.push_back(int8_extremes(types, -1));
    cases.push_back(int8_beside_float(types));
  }
  return cases;
}

}  // namespace steadyflux::conformance
