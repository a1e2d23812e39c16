#include "problem.h"

#include <utility>

#include "backend/arena.h"
#include "backend/reference/elements.h"
#include "base/checked.h"

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
  const Tensor tensor = place(dtype, shape, spec.gap);
  fill(tensor, spec);
  return tensor;
}

Tensor Builder::output(DType dtype, const Shape& shape, const Spec& spec) { return place(dtype, shape, spec.gap); }

Tensor Builder::ids(std::int64_t count, std::int64_t vocabulary) {
  const Tensor tensor = place(DType::kI32, {count}, 0);
  auto* values = reinterpret_cast<std::int32_t*>(problem_.image.data() + (tensor.data - base_));
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
  const std::size_t bytes = static_cast<std::size_t>(extent_of(tensor)) * dtype_bytes(dtype);
  const std::size_t end = problem_.image.size() + bytes + kGuardBytes;
  problem_.image.resize(align_up(end, Arena::kAlignment), kPoison);
  return tensor;
}

void Builder::fill(const Tensor& tensor, const Spec& spec) {
  Tensor in_image = tensor;
  in_image.data = problem_.image.data() + (tensor.data - base_);
  const std::int64_t row_elements = tensor.shape.num_elements() / tensor.dim(0);
  for (std::int64_t row = 0; row < tensor.dim(0); ++row) {
    for (std::int64_t i = 0; i < row_elements; ++i) {
      reference::store(in_image, row, i, spec.mean + spec.scale * uniform(random_));
    }
  }
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

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (auto* list : {linear_cases, norm_cases, attention_cases, conv_cases, elementwise_cases}) {
    for (Case& each : list()) all.push_back(std::move(each));
  }
  return all;
}

}  // namespace steadyflux::conformance
