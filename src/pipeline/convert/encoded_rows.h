// Rows of numbers as a type stores them, and how far that is from what they were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace steadyflux::convert {

// Sums over elements.
struct ErrorSums {
  double squared_error = 0;
  double squared = 0;    // of what they were
  double max_error = 0;  // magnitude

  void add(const ErrorSums& other);
  double relative_rms() const;  // sqrt(squared_error / squared); 0 where there was nothing but zeros
};

// Bytes of `count` rows stored as `dtype`, without scales that lie apart.
std::size_t stored_bytes(DType dtype, std::int64_t count, std::int64_t row_length);

// Works on one chunk of rows at a time, each row by itself: what comes out does not depend on the number of threads.
// Borrows the pool.
class RowEncoder {
 public:
  explicit RowEncoder(ThreadPool& pool) : pool_(pool) {}

  // Bytes that it needs for rows of this length.
  static std::size_t scratch_bytes(int num_threads, std::int64_t row_length);

  // Stores the rows of `rows` (as codec::decode_row takes them) as `dtype` in `out`, and the scales they have apart in
  // `scales`. Throws Error(kInvalidArgument) for numbers that the type cannot hold.
  ErrorSums encode(const Tensor& rows, DType dtype, std::span<std::byte> out, std::span<float> scales);

 private:
  ThreadPool& pool_;
  std::vector<std::vector<float>> scratch_;  // of each worker
  std::vector<ErrorSums> sums_;              // of each row
};

}  // namespace steadyflux::convert
