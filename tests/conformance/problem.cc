#include "problem.h"

#include <utility>

#include "backend/arena.h"
#include "backend/reference/elements.h"
#include "base/checked.h"
#include "random_blocks.h"

namespace steadyflux::conformance {
namespace {

constexpr std::byte kPoison{0xFF};

// Elements from the first to the one after the last, gaps included.
std::int64_t extent_of(const Tensor& tensor) {
  std::int64_t last = 0;
  for (int i = 0; i < tensor.rank(); ++i) last += (tensor.dim(i) - 1) * tensor.strides[static_cast<std::size_t>(i)];
  return last + 1;
}

template <typename AnyOp>
Tensor output_of(const AnyOp& op) {
  if constexpr (requires { op.out; }) return op.out;
  return {};
}
Tensor output_of(const ops::QkNormRope& op) { return op.x; }
Tensor output_of(const ops::GroupNormRows& op) { return op.moments; }
Tensor output_of(const ops::GroupNormStats& op) { return op.stats; }
Tensor output_of(const ops::EulerStep& op) { return op.latents; }
Tensor output_of(const ops::UnpackLatents& op) { return op.image; }
Tensor output_of(const ops::PackLatents& op) { return op.packed; }

double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-52 - 1; }

}  // namespace

Builder::Builder(std::byte* base, Problem& problem) : base_(base), problem_(problem), random_(1) {
  problem_.image.assign(kGuardBytes, kPoison);
}

Tensor Builder::input(DType dtype, const Shape& shape, const Spec& spec) {
  Tensor tensor = place(dtype, shape, spec.gap);
  if (is_quantised(dtype) || has_scales_apart(dtype)) {
    fill_codes(tensor);
    if (has_scales_apart(dtype)) add_scales(tensor, spec.nested);
  } else {
    fill(tensor, spec);
  }
  return tensor;
}

Tensor Builder::output(DType dtype, const Shape& shape, const Spec& spec) { return place(dtype, shape, spec.gap); }

Tensor Builder::ids(std::int64_t count, std::int64_t vocabulary) {
  const Tensor tensor = place(DType::kI32, {count}, 0);
  auto* values = reinterpret_cast<std::int32_t*>(in_image(tensor));
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<std::int32_t>(random_() % static_cast<std::uint64_t>(vocabulary));
  }
  return tensor;
}

std::span<const ops::LinearPart> Builder::parts(std::vector<ops::LinearPart> list) {
  problem_.parts = std::move(list);
  return problem_.parts;
}

Tensor Builder::place(DType dtype, const Shape& shape, std::int64_t gap) {
  Tensor tensor(base_ + problem_.image.size(), dtype, shape);
  tensor.strides[0] += gap;
  const std::int64_t blocks = ceil_div(extent_of(tensor), block_shape(dtype).elements);
  const std::size_t bytes = static_cast<std::size_t>(blocks) * dtype_bytes(dtype);
  const std::size_t end = problem_.image.size() + bytes + kGuardBytes;
  problem_.image.resize(align_up(end, Arena::kAlignment), kPoison);
  return tensor;
}

void Builder::fill(const Tensor& tensor, const Spec& spec) {
  Tensor filled = tensor;
  filled.data = in_image(tensor);
  const std::int64_t row_elements = tensor.shape.num_elements() / tensor.dim(0);
  for (std::int64_t row = 0; row < tensor.dim(0); ++row) {
    for (std::int64_t i = 0; i < row_elements; ++i) {
      reference::store(filled, row, i, spec.mean + spec.scale * uniform(random_));
    }
  }
}

void Builder::fill_codes(const Tensor& matrix) {
  for (std::int64_t row = 0; row < matrix.dim(0); ++row) {
    const Tensor codes = matrix.rows(row, 1);
    fill_blocks(matrix.dtype, in_image(codes), matrix.dim(1) / block_shape(matrix.dtype).elements, random_);
  }
}

// One scale for each row of i8, or for each block, those in gaps being poison.
void Builder::add_scales(Tensor& matrix, bool nested) {
  const bool by_row = matrix.dtype == DType::kI8;
  const std::int64_t block = block_shape(matrix.dtype).elements;
  const std::int64_t per_row = by_row ? 1 : matrix.dim(1) / block;
  const std::int64_t stride = by_row ? 1 : matrix.row_stride() / block;
  const Shape shape = {matrix.dim(0), per_row};
  const double size = scale_apart(matrix.dtype);
  if (!nested) {
    const Tensor values = place(DType::kF32, shape, stride - per_row);
    fill(values, {.scale = size / 4, .mean = 3 * size / 4});
    matrix.scales = {.values = values.data};
    return;
  }
  const Tensor codes = place(DType::kU8, shape, stride - per_row);
  for (std::int64_t row = 0; row < shape[0]; ++row) {
    std::byte* of_row = in_image(codes.rows(row, 1));
    for (std::int64_t i = 0; i < per_row; ++i) of_row[i] = static_cast<std::byte>(random_());
  }
  const Tensor outer = place(DType::kF32, {ceil_div(shape[0] * stride, Scales::kNestedBlock)}, 0);
  fill(outer, {.scale = size / 8, .mean = size / 4});
  matrix.scales = {.values = codes.data, .nested = outer.data, .offset = scale_apart(matrix.dtype) / 2};
}

Problem build(const Case& each, std::byte* base) {
  Problem problem;
  Builder builder(base != nullptr ? base : Arena::measuring().allocate(1), problem);
  problem.op = each.build(builder);
  return problem;
}

std::vector<Tensor> outputs_of(const ops::Op& op) {
  if (const auto* linear = std::get_if<ops::LinearMany>(&op)) {
    std::vector<Tensor> outputs;
    for (const ops::LinearPart& part : linear->parts) outputs.push_back(part.out);
    return outputs;
  }
  return {std::visit([](const auto& each) { return output_of(each); }, op)};
}

std::string name_of(DType dtype) { return std::string(dtype_name(dtype)); }

std::span<const DType> matrix_types() {
  static constexpr DType kTypes[] = {DType::kI8,   DType::kQ8_0,  DType::kQ4_0,  DType::kQ4_1, DType::kQ5_0,
                                     DType::kQ5_1, DType::kQ2K,   DType::kQ3K,   DType::kQ4K,  DType::kQ5K,
                                     DType::kQ6K,  DType::kIq4Nl, DType::kIq4Xs, DType::kNf4,  DType::kFp4};
  return kTypes;
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (auto* list :
       {linear_cases, joined_cases, quantised_cases, norm_cases, attention_cases, conv_cases, elementwise_cases}) {
    for (Case& each : list()) all.push_back(std::move(each));
  }
  return all;
}

}  // namespace steadyflux::conformance
