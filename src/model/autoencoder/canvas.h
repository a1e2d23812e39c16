// The pixels on their way through a network, layer after layer in one piece of memory.
#pragma once

#include <optional>

#include "backend/executor.h"

namespace steadyflux {

// Holds the pixels [height, width, channels] of the present layer at the far end of the arena; grows and shrinks from
// layer to layer. A layer that goes over the rows from top to bottom may write its result in front of the rows it has
// yet to read:
//
//   canvas:  | result, growing -> | rows done with | rows still to be read |
//
// Borrows the executor; allocates at the far end of its arena, where nothing else may be allocated while it lives.
// Thread rule: one thread.
class Canvas {
 public:
  Canvas(const Executor& executor, DType activations) : executor_(&executor), activations_(activations) {}
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;

  const Tensor& pixels() const { return pixels_; }

  // Uninitialised pixels of that size; what was there before is given up.
  Tensor reset(std::int64_t height, std::int64_t width, std::int64_t channels);

  // Where a layer's result goes: the front of the canvas, grown so far that the first n rows of the result never reach
  // beyond the first n / height of the pixels, for any n. The pixels stay where they are.
  Tensor result(std::int64_t height, std::int64_t width, std::int64_t channels);

  // Makes what result() gave the pixels, and gives back the memory that they do not need.
  void settle(const Tensor& result);

 private:
  // Gives the canvas `bytes` bytes that end where it ended; the content of those it keeps stays.
  void resize(std::size_t bytes);

  const Executor* executor_;
  DType activations_;
  std::optional<ArenaScope> scope_;
  std::byte* begin_ = nullptr;
  std::size_t bytes_ = 0;
  Tensor pixels_;
};

// Copies rows of pixels; both tensors are contiguous and of one shape, and may be parts of one canvas that do not
// overlap.
void copy_pixels(const Executor& executor, const Tensor& from, const Tensor& to);

}  // namespace steadyflux
