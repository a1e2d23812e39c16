#include "tensor/tensor.h"

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"

namespace steadyflux {

Shape::Shape(std::initializer_list<std::int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  ensure(dims.size() <= kMaxRank, "a shape has at most ", kMaxRank, " dimensions, not ", dims.size());
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

std::int64_t Shape::num_elements() const {
  std::int64_t product = 1;
  for (int i = 0; i < rank_; ++i) product *= (*this)[i];
  return product;
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string((*this)[i]);
  }
  return text + "]";
}

std::size_t Scales::values_bytes(std::int64_t count) const {
  return static_cast<std::size_t>(count) * (nested != nullptr ? 1 : sizeof(float));
}

std::size_t Scales::nested_bytes(std::int64_t count) const {
  if (nested == nullptr) return 0;
  return static_cast<std::size_t>(ceil_div(count, kNestedBlock)) * sizeof(float);
}

Tensor::Tensor(std::byte* memory, DType type, const Shape& dims) : data(memory), dtype(type), shape(dims) {
  std::int64_t stride = 1;
  for (int i = dims.rank() - 1; i >= 0; --i) {
    strides[static_cast<std::size_t>(i)] = stride;
    stride *= dims[i];
  }
}

bool Tensor::is_contiguous() const {
  std::int64_t stride = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (dim(i) != 1 && strides[static_cast<std::size_t>(i)] != stride) return false;
    stride *= dim(i);
  }
  return true;
}

std::size_t Tensor::num_bytes() const { return tensor_bytes(dtype, shape); }

void Tensor::skip(std::int64_t elements, std::int64_t num_rows) {
  const std::int64_t block = block_shape(dtype).elements;
  ensure(elements % block == 0, "a view of ", shape.to_string(), " in ", dtype_name(dtype), " begins ", elements,
         " elements after its first, inside a block of ", block);
  data += bytes_of(dtype, elements);
  if (scales.values != nullptr) scales.first += is_quantised(dtype) ? elements / block : num_rows;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t count) const {
  ensure(rank() >= 1 && begin >= 0 && count >= 0 && begin + count <= dim(0), "rows ", begin, "+", count, " of ",
         shape.to_string());
  Tensor view = *this;
  view.skip(begin * strides[0], begin);
  switch (rank()) {
    case 1:
      view.shape = {count};
      break;
    case 2:
      view.shape = {count, dim(1)};
      break;
    case 3:
      view.shape = {count, dim(1), dim(2)};
      break;
    default:
      view.shape = {count, dim(1), dim(2), dim(3)};
      break;
  }
  return view;
}

Tensor Tensor::cols(std::int64_t begin, std::int64_t count) const {
  ensure(rank() == 2 && begin >= 0 && count >= 0 && begin + count <= dim(1), "columns ", begin, "+", count, " of ",
         shape.to_string());
  Tensor view = *this;
  view.skip(begin, 0);
  view.shape = {dim(0), count};
  return view;
}

Tensor Tensor::reshaped(const Shape& dims) const {
  ensure(is_contiguous() && dims.num_elements() == shape.num_elements(), "cannot view ", shape.to_string(), " as ",
         dims.to_string());
  Tensor view(data, dtype, dims);
  view.scales = scales;
  return view;
}

Tensor Tensor::split_heads(std::int64_t heads) const {
  ensure(rank() == 2 && heads > 0 && dim(1) % heads == 0, "cannot split ", shape.to_string(), " into ", heads,
         " heads");
  Tensor view = *this;
  view.shape = {dim(0), heads, dim(1) / heads};
  view.strides = {strides[0], dim(1) / heads, 1, 0};
  return view;
}

std::size_t tensor_bytes(DType dtype, const Shape& shape) { return bytes_of(dtype, shape.num_elements()); }

}  // namespace steadyflux
