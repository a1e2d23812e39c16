// Rows of pixels, taken a band at a time.
#pragma once

#include <algorithm>
#include <cstdint>

namespace steadyflux {

// [begin, end) of an image's rows.
struct Rows {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t count() const { return end - begin; }
  bool empty() const { return begin >= end; }
};

// Rows below `begin`, at most `count` of them, of an image of `height` rows.
inline Rows band_at(std::int64_t begin, std::int64_t count, std::int64_t height) {
  return {begin, std::min(begin + count, height)};
}

// The rows of an image of `height` rows that a convolution needs whose kernel reaches `halo` rows up and down.
inline Rows with_halo(Rows rows, std::int64_t halo, std::int64_t height) {
  return {std::max<std::int64_t>(rows.begin - halo, 0), std::min(rows.end + halo, height)};
}

}  // namespace steadyflux
