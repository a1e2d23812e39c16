#include "model/autoencoder/canvas.h"

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"

namespace steadyflux {

Tensor Canvas::reset(std::int64_t height, std::int64_t width, std::int64_t channels) {
  const Shape shape = {height, width, channels};
  resize(tensor_bytes(activations_, shape));
  pixels_ = Tensor(begin_, activations_, shape);
  return pixels_;
}

Tensor Canvas::result(std::int64_t height, std::int64_t width, std::int64_t channels) {
  const Shape shape = {height, width, channels};
  const std::size_t result_bytes = tensor_bytes(activations_, shape);
  const std::size_t pixels_bytes = pixels_.num_bytes();
  const auto room = static_cast<std::size_t>(pixels_.data - begin_);
  const std::size_t needed = result_bytes > pixels_bytes ? result_bytes - pixels_bytes : 0;
  if (needed > room) resize(bytes_ + align_up(needed - room, Arena::kAlignment));
  return {begin_, activations_, shape};
}

void Canvas::settle(const Tensor& result) {
  ensure(result.data == begin_, "a layer's result is not at the front of the canvas");
  pixels_ = result;
  const std::size_t kept_bytes = align_up(result.num_bytes(), Arena::kAlignment);
  const std::size_t free_bytes = bytes_ - kept_bytes;
  const std::size_t row_bytes = result.num_bytes() / static_cast<std::size_t>(result.dim(0));
  // A piece is moved by at least its own length. Less than a row is not worth giving back.
  const auto rows_at_once = static_cast<std::int64_t>(free_bytes / row_bytes);
  if (rows_at_once == 0) return;
  pixels_.data += free_bytes;
  for (std::int64_t end = result.dim(0); end > 0;) {
    const std::int64_t count = std::min(rows_at_once, end);
    end -= count;
    copy_pixels(*executor_, result.rows(end, count), pixels_.rows(end, count));
  }
  resize(kept_bytes);
}

// An arena's blocks stay as they are when they are given back and taken again with nothing in between.
void Canvas::resize(std::size_t bytes) {
  Arena& arena = executor_->arena();
  scope_.reset();
  scope_.emplace(arena, ArenaEnd::kFar);
  begin_ = arena.allocate(bytes, ArenaEnd::kFar);
  bytes_ = align_up(bytes, Arena::kAlignment);
}

void copy_pixels(const Executor& executor, const Tensor& from, const Tensor& to) {
  const Shape rows = {from.dim(0) * from.dim(1), from.dim(2)};
  executor.run(ops::Add{.a = from.reshaped(rows), .out = to.reshaped(rows)});
}

}  // namespace steadyflux
