#include "backend/cpu/transpose.h"

#include <cstddef>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/transpose.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "backend/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {
namespace {

constexpr std::size_t kRows = 4;

// A vector of each of four rows: their elements of one column become neighbours in a buffer, and from there a run.
HWY_INLINE void transpose_four(const float* from, std::size_t from_stride, float* to, std::size_t to_stride) {
  const Floats d;
  HWY_ALIGN float turned[kRows * hn::MaxLanes(Floats())];
  hn::StoreInterleaved4(hn::LoadU(d, from), hn::LoadU(d, from + from_stride), hn::LoadU(d, from + 2 * from_stride),
                        hn::LoadU(d, from + 3 * from_stride), d, turned);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) {
    std::memcpy(to + i * to_stride, turned + kRows * i, kRows * sizeof(float));
  }
}

void transpose_floats(const float* from, std::size_t from_stride, std::size_t rows, std::size_t cols, float* to,
                      std::size_t to_stride) {
  const std::size_t lanes = hn::Lanes(Floats());
  const std::size_t whole_rows = rows / kRows * kRows;
  const std::size_t whole_cols = cols / lanes * lanes;
  // All rows of a few columns: what is written of these stays in the innermost cache until it is complete.
  for (std::size_t c = 0; c < whole_cols; c += lanes) {
    for (std::size_t r = 0; r < whole_rows; r += kRows) {
      transpose_four(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
    }
  }
  for (std::size_t c = 0; c < cols; ++c) {
    for (std::size_t r = c < whole_cols ? whole_rows : 0; r < rows; ++r) {
      to[c * to_stride + r] = from[r * from_stride + c];
    }
  }
}

}  // namespace
}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::cpu {
namespace {
HWY_EXPORT(transpose_floats);
std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }
}  // namespace

void transpose(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t cols, float* to,
               std::int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(transpose_floats)(from, size(from_stride), size(rows), size(cols), to, size(to_stride));
}

}  // namespace steadyflux::cpu
#endif
