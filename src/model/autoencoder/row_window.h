// The rows that a 3 x 3 convolution still needs, while its input comes in bands.
#pragma once

#include "backend/executor.h"
#include "model/autoencoder/rows.h"

namespace steadyflux {

// Rows on their way past a convolution: append() takes rows of an image in order, ready() says which rows of the result
// they allow. Results have the bits of a convolution of the whole image.
// Borrows the executor; its buffer lives until the enclosing ArenaScope ends. Thread rule: one thread.
class RowWindow {
 public:
  // Rows above and below that a kernel of size 3 reaches.
  static constexpr std::int64_t kHalo = 1;

  // For an image [height, width, channels] that comes in at most `most_rows` rows at a time.
  RowWindow(const Executor& executor, DType dtype, const Shape& image, std::int64_t most_rows)
      : executor_(executor),
        height_(image[0]),
        buffer_(executor.allocate(dtype, {std::min(most_rows + 2 * kHalo, image[0]), image[1], image[2]})) {}

  // Room for the next `count` rows. Of those before, only what later results need stays.
  Tensor append(std::int64_t count);

  // Some of the rows that are still there.
  Tensor rows(Rows rows) const { return buffer_.rows(rows.begin - held_.begin, rows.count()); }

  // What rows of the result are convolved from.
  Tensor rows_around(Rows results) const { return rows(with_halo(results, kHalo, height_)); }

  // Rows of the result that can be computed now and could not before the last append().
  Rows ready() const { return {results_before_, results_of(held_.end)}; }

 private:
  // Results that the first `end` rows allow.
  std::int64_t results_of(std::int64_t end) const {
    return end == height_ ? height_ : std::max<std::int64_t>(end - kHalo, 0);
  }

  const Executor& executor_;
  std::int64_t height_;
  Tensor buffer_;
  Rows held_;
  std::int64_t results_before_ = 0;
};

}  // namespace steadyflux
