// A tensor is a view: pointer, dtype, shape and strides. It owns nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/dtype.h"

namespace steadyflux {

inline constexpr int kMaxRank = 4;

// Up to kMaxRank dimensions, row-major, outermost first. Allocates nothing.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims);

  int rank() const { return rank_; }
  std::int64_t operator[](int i) const { return dims_[static_cast<std::size_t>(i)]; }
  // The product of all dimensions; 1 for rank 0.
  std::int64_t num_elements() const;
  // "[4096, 3072]"
  std::string to_string() const;

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

// The scales of a weight whose type keeps them apart from its elements, in the same memory space as these.
//
// nf4 and fp4: block b, counted over the whole weight in row-major order, has the scale values[b], f32; or, nested,
// code(values[b]) * nested[b / 256] + offset, where values are u8 and code is bitsandbytes' table of 256 numbers.
// i8: row r has the scale values[r], f32.
struct Scales {
  std::byte* values = nullptr;
  std::byte* nested = nullptr;  // f32; null unless nested
  float offset = 0;             // of nested scales
  std::int64_t first = 0;       // the block (i8: the row) that a view begins with

  static constexpr std::int64_t kNestedBlock = 256;

  // Bytes of `count` values, and of the nested scales of as many that begin with a whole block of them.
  std::size_t values_bytes(std::int64_t count) const;
  std::size_t nested_bytes(std::int64_t count) const;

  friend bool operator==(const Scales&, const Scales&) = default;
};

// A strided view of memory that someone else owns: an arena, a weight slot, a caller. Cheap to copy.
// Strides are in elements. The last dimension is contiguous in every tensor an operation takes. Rows of quantised types
// are whole blocks, and views of them begin and end between blocks.
// The memory may be that of a device: only a backend dereferences `data`.
struct Tensor {
  std::byte* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;
  std::array<std::int64_t, kMaxRank> strides{};
  Scales scales;  // empty unless has_scales_apart(dtype) and this is a weight

  Tensor() = default;
  // A contiguous view.
  Tensor(std::byte* memory, DType type, const Shape& dims);

  bool empty() const { return data == nullptr; }
  explicit operator bool() const { return data != nullptr; }
  int rank() const { return shape.rank(); }
  std::int64_t dim(int i) const { return shape[i]; }
  // Elements from one row (first dimension) to the next.
  std::int64_t row_stride() const { return strides[0]; }
  bool is_contiguous() const;
  // Bytes of a contiguous tensor of this shape and dtype.
  std::size_t num_bytes() const;

  // Typed address of element 0; T must be the storage type of dtype.
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }

  // Rows [begin, begin + count) of the first dimension.
  Tensor rows(std::int64_t begin, std::int64_t count) const;
  // Columns [begin, begin + count) of a rank-2 tensor.
  Tensor cols(std::int64_t begin, std::int64_t count) const;
  // The same memory with another shape; the tensor must be contiguous.
  Tensor reshaped(const Shape& dims) const;
  // A [rows, heads * head_dim] view as [rows, heads, head_dim]; rows may be strided.
  Tensor split_heads(std::int64_t heads) const;

 private:
  // Moves the beginning of the view, `elements` on and so many rows.
  void skip(std::int64_t elements, std::int64_t num_rows);
};

// Bytes of a contiguous tensor.
std::size_t tensor_bytes(DType dtype, const Shape& shape);

}  // namespace steadyflux
