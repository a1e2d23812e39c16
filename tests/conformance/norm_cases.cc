// Normalisation: of rows, of heads with rotation, of channel groups.
#include "problem.h"

namespace steadyflux::conformance {
namespace {

constexpr DType kActivationTypes[] = {DType::kF32, DType::kBF16};

std::string suffix(DType x, DType weight, DType out) {
  return "_" + name_of(x) + "_" + name_of(weight) + "_" + name_of(out);
}

Case layer_norm(std::int64_t rows, std::int64_t width, DType x, DType weight, DType out, const Spec& spec) {
  const std::string name = "layer_norm_" + std::to_string(rows) + "x" + std::to_string(width) + "_mean" +
                           std::to_string(static_cast<int>(spec.mean)) + suffix(x, weight, out);
  return {name, [=](Builder& builder) -> ops::Op {
            return ops::LayerNorm{.x = builder.input(x, {rows, width}, spec),
                                  .scale = builder.input(weight, {width}),
                                  .shift = builder.input(weight, {width}),
                                  .scale_offset = width % 2 == 0 ? 1.0f : 0.0f,
                                  .out = builder.output(out, {rows, width}, {.gap = spec.gap})};
          }};
}

Case rms_norm(std::int64_t rows, std::int64_t width, DType x, DType weight, DType out, const Spec& spec) {
  const std::string name = "rms_norm_" + std::to_string(rows) + "x" + std::to_string(width) + suffix(x, weight, out);
  return {name, [=](Builder& builder) -> ops::Op {
            return ops::RmsNorm{.x = builder.input(x, {rows, width}, spec),
                                .weight = builder.input(weight, {width}),
                                .out = builder.output(out, {rows, width}, {.gap = spec.gap})};
          }};
}

Case qk_norm_rope(std::int64_t rows, std::int64_t heads, std::int64_t head_dim, DType x, DType weight, bool rotate,
                  std::int64_t gap) {
  const std::string name = std::string(rotate ? "qk_norm_rope_" : "qk_norm_") + std::to_string(rows) + "x" +
                           std::to_string(heads) + "x" + std::to_string(head_dim) + "_" + name_of(x) + "_" +
                           name_of(weight);
  return {name, [=](Builder& builder) -> ops::Op {
            ops::QkNormRope op = {.x = builder.input(x, {rows, heads, head_dim}, {.scale = 3, .gap = gap}),
                                  .weight = builder.input(weight, {head_dim})};
            if (rotate) op.pe = builder.input(DType::kF32, {rows, head_dim});
            return op;
          }};
}

struct GroupShape {
  std::int64_t height, width, channels, groups;
};

std::string name_of(const GroupShape& shape) {
  return std::to_string(shape.height) + "x" + std::to_string(shape.width) + "x" + std::to_string(shape.channels) +
         "_g" + std::to_string(shape.groups);
}

Case group_norm_rows(const GroupShape& shape, DType x, const Spec& spec) {
  const std::string name = "group_norm_rows_" + name_of(shape) + "_mean" + std::to_string(static_cast<int>(spec.mean)) +
                           "_" + conformance::name_of(x);
  return {name, [=](Builder& builder) -> ops::Op {
            return ops::GroupNormRows{.x = builder.input(x, {shape.height, shape.width, shape.channels}, spec),
                                      .groups = shape.groups,
                                      .moments = builder.output(DType::kF32, {shape.height, shape.groups, 2})};
          }};
}

Case group_norm_stats(std::int64_t height, std::int64_t groups, double mean) {
  const std::string name = "group_norm_stats_" + std::to_string(height) + "_g" + std::to_string(groups) + "_mean" +
                           std::to_string(static_cast<int>(mean));
  return {name, [=](Builder& builder) -> ops::Op {
            return ops::GroupNormStats{.moments = builder.input(DType::kF32, {height, groups, 2}, {.mean = mean}),
                                       .stats = builder.output(DType::kF32, {groups, 2})};
          }};
}

Case group_norm_apply(const GroupShape& shape, DType x, DType weight, ops::Activation activation, bool in_place) {
  const std::string name = "group_norm_apply_" + name_of(shape) + (in_place ? "_in_place" : "") +
                           (activation == ops::Activation::kSilu ? "_silu_" : "_") + conformance::name_of(x) + "_" +
                           conformance::name_of(weight);
  return {name, [=](Builder& builder) -> ops::Op {
            const Shape pixels = {shape.height, shape.width, shape.channels};
            const Tensor values = in_place ? builder.input(x, pixels) : builder.input(x, pixels, {.gap = 6});
            return ops::GroupNormApply{.x = values,
                                       .stats = builder.input(DType::kF32, {shape.groups, 2}, {.mean = 1.5}),
                                       .weight = builder.input(weight, {shape.channels}),
                                       .bias = builder.input(weight, {shape.channels}),
                                       .activation = activation,
                                       .out = in_place ? values : builder.output(x, pixels)};
          }};
}

void add_row_norms(std::vector<Case>& cases) {
  constexpr DType f32 = DType::kF32;
  constexpr DType bf16 = DType::kBF16;
  for (const DType x : kActivationTypes) {
    for (const DType out : kActivationTypes) {
      for (const DType weight : {f32, DType::kF16, bf16}) {
        cases.push_back(layer_norm(5, 40, x, weight, out, {.gap = 3}));
        cases.push_back(rms_norm(5, 40, x, weight, out, {.gap = 3}));
      }
    }
    for (const std::int64_t width : {1, 7, 15, 24, 64, 192, 256, 3072}) {
      for (const std::int64_t rows : {1, 33}) {
        cases.push_back(layer_norm(rows, width, x, x, x, {}));
        cases.push_back(rms_norm(rows, width, x, x, x, {}));
      }
    }
    // As wide as a large network's, at odd distances too.
    cases.push_back(layer_norm(3, 1036, x, bf16, bf16, {.gap = 3}));
    cases.push_back(layer_norm(3, 4096, x, bf16, f32, {.gap = 4}));
    // A mean far from zero: the variance must not be a difference of large sums.
    cases.push_back(layer_norm(9, 256, x, x, f32, {.mean = 30}));
    cases.push_back(rms_norm(300, 24, x, x, x, {.scale = 1e-3}));
  }
}

void add_head_norms(std::vector<Case>& cases) {
  for (const DType x : kActivationTypes) {
    for (const std::int64_t head_dim : {8, 16, 40, 64, 128}) {
      cases.push_back(qk_norm_rope(11, head_dim % 5 + 1, head_dim, x, x, true, 0));
    }
    cases.push_back(qk_norm_rope(1, 1, 2, x, DType::kF16, true, 0));
    cases.push_back(qk_norm_rope(150, 3, 64, x, DType::kF32, true, 384));
    cases.push_back(qk_norm_rope(19, 24, 128, x, x, true, 128));
    cases.push_back(qk_norm_rope(9, 4, 20, x, DType::kF16, true, 5));
    cases.push_back(qk_norm_rope(9, 8, 128, x, x, false, 0));
    cases.push_back(qk_norm_rope(7, 2, 15, x, DType::kBF16, false, 7));
  }
}

void add_group_norms(std::vector<Case>& cases) {
  for (const DType x : kActivationTypes) {
    for (const GroupShape& shape :
         {GroupShape{1, 1, 32, 32}, {3, 5, 24, 8}, {7, 9, 96, 32}, {33, 17, 16, 1}, {64, 48, 32, 4}, {2, 3, 512, 32}}) {
      cases.push_back(group_norm_rows(shape, x, {}));
      cases.push_back(group_norm_apply(shape, x, x, ops::Activation::kSilu, false));
      cases.push_back(group_norm_apply(shape, x, x, ops::Activation::kNone, true));
    }
    cases.push_back(group_norm_rows({5, 320, 24, 8}, x, {.mean = 20}));
    cases.push_back(group_norm_rows({9, 10, 24, 3}, x, {.gap = 24}));
    cases.push_back(group_norm_apply({5, 7, 24, 3}, x, DType::kF16, ops::Activation::kSilu, true));
  }
  for (const std::int64_t height : {1, 2, 37, 1024}) {
    for (const std::int64_t groups : {1, 32}) cases.push_back(group_norm_stats(height, groups, groups == 1 ? 20 : 2));
  }
}

}  // namespace

std::vector<Case> norm_cases() {
  std::vector<Case> cases;
  add_row_norms(cases);
  add_head_norms(cases);
  add_group_norms(cases);
  return cases;
}

}  // namespace steadyflux::conformance
