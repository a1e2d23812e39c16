// Lookup, gating, sums, the sampler's steps, packing and pixels.
#include "problem.h"

namespace steadyflux::conformance {
namespace {

using ops::Activation;

constexpr DType kActivationTypes[] = {DType::kF32, DType::kBF16};
constexpr DType kWeightTypes[] = {DType::kF32, DType::kF16, DType::kBF16};

struct Size {
  std::int64_t rows, width;
};
constexpr Size kSizes[] = {{1, 1}, {1, 3072}, {3, 7}, {130, 15}, {77, 192}, {300, 64}};

std::string name_of(const Size& size) { return std::to_string(size.rows) + "x" + std::to_string(size.width); }

const char* name_of(Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return "none";
    case Activation::kSilu:
      return "silu";
    case Activation::kGeluTanh:
      return "gelu_tanh";
    case Activation::kGeluErf:
      return "gelu_erf";
    case Activation::kQuickGelu:
      return "quick_gelu";
  }
  return "";
}

Case embed(const Size& size, DType table, DType out, bool positions) {
  const std::string name = "embed_rows_" + name_of(size) + "_" + conformance::name_of(table) + "_" +
                           conformance::name_of(out) + (positions ? "_positions" : "");
  return {name, [=](Builder& builder) -> ops::Op {
            ops::EmbedRows op = {.table = builder.input(table, {50, size.width}, {.gap = 2}),
                                 .ids = builder.ids(size.rows, 50),
                                 .out = builder.output(out, {size.rows, size.width}, {.gap = 1})};
            if (positions) op.positions = builder.input(table, {size.rows + 3, size.width});
            return op;
          }};
}

// Wide enough that the activations' flat and cancelling ranges are met.
constexpr Spec kWide = {.scale = 12, .gap = 3};

Case glu(const Size& size, Activation activation, DType in, DType out) {
  const std::string name = std::string("glu_") + name_of(activation) + "_" + name_of(size) + "_" +
                           conformance::name_of(in) + "_" + conformance::name_of(out);
  return {name, [=](Builder& builder) -> ops::Op {
            const Shape shape = {size.rows, size.width};
            return ops::Glu{.gate = builder.input(in, shape, kWide),
                            .up = builder.input(in, shape),
                            .activation = activation,
                            .out = builder.output(out, shape, {.gap = 5})};
          }};
}

Case glu_in_place(DType dtype, bool into_gate) {
  return {std::string("glu_in_place_") + (into_gate ? "gate_" : "up_") + conformance::name_of(dtype),
          [=](Builder& builder) -> ops::Op {
            const Tensor changed = builder.input(dtype, {19, 50}, kWide);
            const Tensor other = builder.input(dtype, {19, 50}, kWide);
            return ops::Glu{.gate = into_gate ? changed : other,
                            .up = into_gate ? other : changed,
                            .activation = Activation::kGeluTanh,
                            .out = changed};
          }};
}

enum class Addend : std::uint8_t { kNone, kRow, kMatrix };

Case add(const Size& size, Addend addend, Activation activation, DType a, DType b, DType out) {
  const char* const addend_name = addend == Addend::kNone ? "none" : addend == Addend::kRow ? "row" : "matrix";
  const std::string name = std::string("add_") + addend_name + "_" + name_of(activation) + "_" + name_of(size) + "_" +
                           conformance::name_of(a) + "_" + conformance::name_of(b) + "_" + conformance::name_of(out);
  return {name, [=](Builder& builder) -> ops::Op {
            const Shape shape = {size.rows, size.width};
            ops::Add op = {.a = builder.input(a, shape, kWide),
                           .activation = activation,
                           .out = builder.output(out, shape, {.gap = 4})};
            if (addend == Addend::kRow) op.b = builder.input(b, {1, size.width});
            if (addend == Addend::kMatrix) op.b = builder.input(b, shape, {.gap = 2});
            return op;
          }};
}

Case add_in_place(DType dtype, bool into_a) {
  return {std::string("add_in_place_") + (into_a ? "a_" : "b_") + conformance::name_of(dtype),
          [=](Builder& builder) -> ops::Op {
            const Tensor changed = builder.input(dtype, {19, 50}, {.gap = 1});
            const Tensor other = builder.input(dtype, {19, 50});
            return ops::Add{.a = into_a ? changed : other, .b = into_a ? other : changed, .out = changed};
          }};
}

Case euler(const Size& size, DType velocity, bool round_product) {
  const std::string name =
      "euler_step_" + name_of(size) + "_" + conformance::name_of(velocity) + (round_product ? "_rounded" : "");
  return {name, [=](Builder& builder) -> ops::Op {
            const Shape shape = {size.rows, size.width};
            return ops::EulerStep{.latents = builder.input(DType::kF32, shape, {.scale = 3}),
                                  .velocity = builder.input(velocity, shape, {.gap = 3}),
                                  .dt = -0.0372f,
                                  .round_product = round_product};
          }};
}

Case true_cfg(const Size& size, DType in, DType out, bool in_place) {
  const std::string name = "true_cfg_" + name_of(size) + "_" + conformance::name_of(in) + "_" +
                           conformance::name_of(out) + (in_place ? "_in_place" : "");
  return {name, [=](Builder& builder) -> ops::Op {
            const Shape shape = {size.rows, size.width};
            const Tensor positive = in_place ? builder.input(out, shape) : builder.input(in, shape);
            return ops::TrueCfg{.positive = positive,
                                .negative = builder.input(in, shape, {.gap = 2}),
                                .scale = 3.3f,
                                .out = in_place ? positive : builder.output(out, shape)};
          }};
}

Case packing(bool pack, std::int64_t height, std::int64_t width, std::int64_t channels, DType image, DType packed) {
  const std::string name = std::string(pack ? "pack_" : "unpack_") + std::to_string(height) + "x" +
                           std::to_string(width) + "x" + std::to_string(channels) + "_" + conformance::name_of(image) +
                           "_" + conformance::name_of(packed);
  return {name, [=](Builder& builder) -> ops::Op {
            const Shape image_shape = {height, width, channels};
            const Shape packed_shape = {height / 2 * (width / 2), 4 * channels};
            if (pack) {
              return ops::PackLatents{.image = builder.input(image, image_shape),
                                      .scale = 0.3611f,
                                      .shift = -0.1159f,
                                      .packed = builder.output(packed, packed_shape, {.gap = 3})};
            }
            return ops::UnpackLatents{.packed = builder.input(packed, packed_shape, {.gap = 3}),
                                      .scale = 2.77f,
                                      .shift = 0.1159f,
                                      .image = builder.output(image, image_shape)};
          }};
}

Case to_rgb8(std::int64_t height, std::int64_t width, DType x) {
  return {"to_rgb8_" + std::to_string(height) + "x" + std::to_string(width) + "_" + conformance::name_of(x),
          [=](Builder& builder) -> ops::Op {
            return ops::ToRgb8{.x = builder.input(x, {height, width, 3}, {.scale = 1.2, .gap = 3}),
                               .out = builder.output(DType::kU8, {height, width, 3}, {.gap = 3})};
          }};
}

void add_sums(std::vector<Case>& cases) {
  for (const DType a : kActivationTypes) {
    for (const DType out : kActivationTypes) {
      for (const DType b : kActivationTypes) {
        cases.push_back(add({9, 40}, Addend::kMatrix, Activation::kNone, a, b, out));
        cases.push_back(add({9, 40}, Addend::kRow, Activation::kSilu, a, b, out));
      }
      for (const Size& size : kSizes) cases.push_back(add(size, Addend::kNone, Activation::kNone, a, a, out));
      cases.push_back(glu({31, 40}, Activation::kGeluTanh, a, out));
    }
    for (const Activation activation :
         {Activation::kSilu, Activation::kGeluTanh, Activation::kGeluErf, Activation::kQuickGelu}) {
      for (const Size& size : kSizes) cases.push_back(glu(size, activation, a, a));
      cases.push_back(add({40, 100}, Addend::kNone, activation, a, a, DType::kF32));
    }
    for (const Size& size : kSizes) cases.push_back(add(size, Addend::kRow, Activation::kNone, a, a, a));
    for (const bool first : {false, true}) {
      cases.push_back(add_in_place(a, first));
      cases.push_back(glu_in_place(a, first));
    }
  }
}

}  // namespace

std::vector<Case> elementwise_cases() {
  std::vector<Case> cases;
  add_sums(cases);
  for (const DType out : kActivationTypes) {
    for (const DType table : kWeightTypes) {
      for (const bool positions : {false, true}) cases.push_back(embed({23, 24}, table, out, positions));
    }
    for (const Size& size : kSizes) cases.push_back(embed(size, out, out, size.rows % 2 == 0));
  }
  for (const Size& size : kSizes) {
    for (const DType velocity : kActivationTypes) {
      for (const bool rounded : {false, true}) cases.push_back(euler(size, velocity, rounded));
      cases.push_back(true_cfg(size, velocity, velocity, false));
    }
  }
  cases.push_back(true_cfg({20, 64}, DType::kF32, DType::kBF16, false));
  cases.push_back(true_cfg({20, 64}, DType::kBF16, DType::kF32, false));
  for (const DType image : kActivationTypes) {
    cases.push_back(true_cfg({20, 64}, image, image, true));
    for (const DType packed : kActivationTypes) {
      for (const bool pack : {false, true}) {
        cases.push_back(packing(pack, 2, 2, 16, image, packed));
        cases.push_back(packing(pack, 6, 10, 3, image, packed));
        cases.push_back(packing(pack, 40, 26, 16, image, packed));
      }
    }
    cases.push_back(to_rgb8(1, 1, image));
    cases.push_back(to_rgb8(13, 17, image));
    cases.push_back(to_rgb8(64, 64, image));
  }
  return cases;
}

}  // namespace steadyflux::conformance
