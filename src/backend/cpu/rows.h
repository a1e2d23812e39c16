// Walking over the rows of tensors in parallel, as f32.
#pragma once

#include "backend/cpu/context.h"
#include "backend/cpu/convert.h"

namespace steadyflux::cpu {

// Elements that a task of row work takes: enough to be worth handing out, few enough to share evenly.
inline constexpr std::int64_t kElementsPerTask = 32768;

// Calls body(row, worker) for every row, neighbouring rows in one task.
template <typename Body>
void parallel_rows(Context& context, std::int64_t rows, std::int64_t width, const Body& body) {
  const std::int64_t block = std::max<std::int64_t>(1, kElementsPerTask / std::max<std::int64_t>(1, width));
  context.parallel(ceil_div(rows, block), [&](std::int64_t task, int worker) {
    const Block part = block_at(task, block, rows);
    for (std::int64_t row = part.begin; row < part.begin + part.count; ++row) body(row, worker);
  });
}

// A run of elements being written as f32: in place when that is its type, otherwise in `buffer` until store().
class RunWriter {
 public:
  RunWriter(std::byte* run, DType dtype, float* buffer)
      : run_(run), dtype_(dtype), values_(dtype == DType::kF32 ? reinterpret_cast<float*>(run) : buffer) {}

  float* values() const { return values_; }
  void store(std::int64_t count) const {
    if (dtype_ == DType::kF32) return;
    convert(reinterpret_cast<const std::byte*>(values_), DType::kF32, run_, dtype_, static_cast<std::size_t>(count));
  }

 private:
  std::byte* run_;
  DType dtype_;
  float* values_;
};

}  // namespace steadyflux::cpu
