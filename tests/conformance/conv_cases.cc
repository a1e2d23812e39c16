// Convolution: kernels, strides, paddings on each side, upsampling, odd sizes, thin and wide channels.
#include "problem.h"

namespace steadyflux::conformance {
namespace {

struct ConvShape {
  std::int64_t height, width, in_channels, out_channels, kernel;
  std::int64_t stride = 1, upsample = 1;
  std::int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  std::int64_t first_row = 0;
};

ConvShape padded(std::int64_t height, std::int64_t width, std::int64_t in_channels, std::int64_t out_channels,
                 std::int64_t upsample = 1) {
  return {height, width, in_channels, out_channels, 3, 1, upsample, 1, 1, 1, 1};
}

std::string name_of(const ConvShape& shape) {
  const auto text = [](std::int64_t value) { return std::to_string(value); };
  return text(shape.height) + "x" + text(shape.width) + "x" + text(shape.in_channels) + "_to" +
         text(shape.out_channels) + "_k" + text(shape.kernel) + "_s" + text(shape.stride) + "_u" +
         text(shape.upsample) + "_p" + text(shape.pad_top) + text(shape.pad_left) + text(shape.pad_bottom) +
         text(shape.pad_right) + (shape.first_row > 0 ? "_from" + text(shape.first_row) : "");
}

Case conv(const ConvShape& shape, DType x, DType weight, DType out, bool accumulate = false) {
  const std::string name = "conv_" + name_of(shape) + "_" + conformance::name_of(x) + "_" +
                           conformance::name_of(weight) + "_" + conformance::name_of(out) +
                           (accumulate ? "_accumulate" : "");
  return {name, [=](Builder& builder) -> ops::Op {
            const auto extent = [&](std::int64_t size, std::int64_t padding) {
              return (shape.upsample * size + padding - shape.kernel) / shape.stride + 1;
            };
            const Shape out_shape = {extent(shape.height, shape.pad_top + shape.pad_bottom),
                                     extent(shape.width, shape.pad_left + shape.pad_right), shape.out_channels};
            ops::Conv2d op;
            op.x = builder.input(x, {shape.height, shape.width, shape.in_channels});
            op.weight = builder.input(weight, {shape.out_channels, shape.in_channels, shape.kernel, shape.kernel});
            // Half of the cases have no bias.
            if (shape.width % 2 == 1) op.bias = builder.input(weight, {shape.out_channels});
            op.stride = shape.stride;
            op.upsample = shape.upsample;
            op.pad_top = shape.pad_top;
            op.pad_left = shape.pad_left;
            op.pad_bottom = shape.pad_bottom;
            op.pad_right = shape.pad_right;
            op.accumulate = accumulate;
            op.first_row = shape.first_row;
            op.out = accumulate ? builder.input(out, out_shape) : builder.output(out, out_shape);
            return op;
          }};
}

}  // namespace

std::vector<Case> conv_cases() {
  constexpr DType f32 = DType::kF32;
  constexpr DType bf16 = DType::kBF16;
  const ConvShape down_even = {8, 10, 24, 24, 3, 2, 1, 0, 0, 1, 1};
  const ConvShape down_odd = {9, 7, 16, 32, 3, 2, 1, 0, 0, 1, 1};
  std::vector<Case> cases;
  for (const DType type : {f32, bf16}) {
    for (const ConvShape& shape : {padded(1, 1, 3, 16),
                                   padded(1, 9, 16, 3),
                                   padded(7, 1, 3, 3),
                                   padded(5, 7, 3, 16),
                                   padded(13, 11, 16, 24),
                                   padded(12, 10, 24, 32),
                                   padded(9, 9, 96, 96),
                                   padded(20, 33, 32, 3),
                                   padded(40, 41, 16, 16),
                                   padded(3, 5, 16, 24, 2),
                                   padded(6, 4, 32, 32, 2),
                                   padded(1, 1, 24, 16, 2),
                                   padded(17, 19, 3, 24, 2),
                                   down_even,
                                   down_odd,
                                   ConvShape{5, 6, 16, 24, 1},
                                   ConvShape{7, 9, 96, 32, 1},
                                   ConvShape{1, 1, 3, 3, 1},
                                   ConvShape{6, 7, 16, 16, 1, 2},
                                   ConvShape{8, 8, 16, 16, 3},
                                   ConvShape{6, 9, 24, 16, 3, 1, 1, 0, 2, 1, 0},
                                   ConvShape{5, 5, 3, 16, 3, 2, 2, 1, 1, 1, 1},
                                   ConvShape{9, 8, 16, 3, 3, 1, 2, 1, 0, 0, 1},
                                   padded(1, 1, 64, 64),
                                   padded(20, 33, 64, 64),
                                   padded(5, 6, 80, 144),
                                   padded(7, 5, 64, 80, 2),
                                   ConvShape{6, 7, 64, 64, 3, 1, 1, 0, 1, 0, 1, 3},
                                   ConvShape{4, 5, 64, 64, 3, 1, 2, 0, 1, 0, 1, 3},
                                   ConvShape{4, 5, 64, 64, 3, 1, 2, 1, 1, 1, 1, 1}}) {
      cases.push_back(conv(shape, type, type, type));
    }
    cases.push_back(conv(padded(9, 11, 24, 24), type, type, type, true));
    cases.push_back(conv(padded(4, 6, 16, 16, 2), type, type, type, true));
    cases.push_back(conv(padded(5, 4, 64, 64), type, type, type, true));
    cases.push_back(conv({7, 6, 16, 24, 1}, type, type, type, true));
  }
  for (const DType x : {f32, bf16}) {
    for (const DType weight : {f32, DType::kF16, bf16}) {
      for (const DType out : {f32, bf16}) {
        cases.push_back(conv(padded(6, 5, 24, 16), x, weight, out));
        cases.push_back(conv({6, 5, 15, 7, 1}, x, weight, out));
      }
    }
  }
  return cases;
}

}  // namespace steadyflux::conformance
