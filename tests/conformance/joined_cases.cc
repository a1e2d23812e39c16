// Layers of one input whose weights, biases and outputs lie one behind the other, as those of a group do on a device: a
// backend may compute them as one.
#include "problem.h"

namespace steadyflux::conformance {
namespace {

struct JoinedTypes {
  DType x;
  DType weight;
  DType bias;
  ops::Compute compute = ops::Compute::kFloat;
};

std::string name_of(const JoinedTypes& types) {
  return conformance::name_of(types.x) + "_" + conformance::name_of(types.weight) + "_" +
         conformance::name_of(types.bias) + (types.compute == ops::Compute::kInt8 ? "_int8" : "");
}

// Layers of so many features each. The last one of `apart` has an activation, which keeps it by itself.
Case joined(const std::string& name, const std::vector<std::int64_t>& features, bool apart, const JoinedTypes& types) {
  return {"linear_joined_" + name + "_" + name_of(types), [=](Builder& builder) -> ops::Op {
            std::int64_t all = 0;
            for (const std::int64_t each : features) all += each;
            const Tensor x = builder.input(types.x, {70, 256});
            const Tensor weight = builder.input(types.weight, {all, 256});
            const Tensor bias = builder.input(types.bias, {all});
            const Tensor out = builder.output(types.x, {70, all});
            std::vector<ops::LinearPart> parts;
            std::int64_t first = 0;
            for (const std::int64_t each : features) {
              const bool alone = apart && first + each == all;
              parts.push_back({.linear = {weight.rows(first, each), bias.rows(first, each)},
                               .out = out.cols(first, each),
                               .activation = alone ? ops::Activation::kGeluTanh : ops::Activation::kNone,
                               .compute = types.compute});
              first += each;
            }
            return ops::LinearMany{x, builder.parts(parts)};
          }};
}

}  // namespace

std::vector<Case> joined_cases() {
  std::vector<JoinedTypes> all = {{DType::kF32, DType::kF32, DType::kF32},
                                  {DType::kBF16, DType::kBF16, DType::kBF16},
                                  {DType::kBF16, DType::kF16, DType::kF32},
                                  {DType::kBF16, DType::kBF16, DType::kBF16, ops::Compute::kInt8},
                                  {DType::kBF16, DType::kI8, DType::kBF16, ops::Compute::kInt8}};
  for (const DType type : matrix_types()) all.push_back({DType::kBF16, type, DType::kBF16});
  std::vector<Case> cases;
  for (const JoinedTypes& types : all) {
    cases.push_back(joined("three", {48, 48, 48}, false, types));
    cases.push_back(joined("uneven", {16, 104, 40}, false, types));
    cases.push_back(joined("two_and_one", {64, 64, 256}, true, types));
  }
  return cases;
}

}  // namespace steadyflux::conformance
