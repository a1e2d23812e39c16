// Convolutions by oneDNN alone, on threads of its own: the yardstick that this backend is measured against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/dtype.h"

namespace steadyflux::cpu {

// Square kernels; the input is as large as the result times the stride, the padding what that asks for.
struct LibraryConvShape {
  std::int64_t out_height = 0;
  std::int64_t out_width = 0;
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t kernel = 0;
  std::int64_t stride = 1;
  DType dtype = DType::kF32;  // f32 or bf16, of all three
};

// One direct convolution, every operand in the layout that the library likes best. Holds compiled code, and no operand.
// Thread rule: one thread, whose OpenMP setting is as before after each call.
class LibraryConv {
 public:
  // Throws Error(kInternal) when the library refuses the shape.
  LibraryConv(const LibraryConvShape& shape, int num_threads);
  ~LibraryConv();
  LibraryConv(LibraryConv&&) noexcept;
  LibraryConv& operator=(LibraryConv&&) noexcept;

  // Of the operands in those layouts.
  std::size_t x_bytes() const;
  std::size_t weights_bytes() const;
  std::size_t y_bytes() const;

  // Returns when it is done. The operands have at least the bytes above.
  void run(std::span<const std::byte> x, std::span<const std::byte> weights, std::span<std::byte> y);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace steadyflux::cpu
