// Super-blocks of 256 written with the least squared error: q4_k, q5_k, q6_k.
//
// Each block inside first gets a scale (and minimum) of its own: codes are rounded for several candidates, and least
// squares gives the best scale for these codes. Then the super-block's f16 scales are fixed, and each block takes the
// quantised scale, of those around its own, that leaves the smallest error with codes rounded anew.
//
// The error is not weighted: for inputs of no preferred direction, the sum of squares of a weight's errors is what the
// layer's output is off by.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tensor/block_codecs.h"

namespace steadyflux::codec {
namespace {

// To the nearest whole number, for magnitudes below 2^22: what the compiler can make vectors of.
float nearest(float x) {
  constexpr float kShift = 12582912;  // 1.5 * 2^23
  return (x + kShift) - kShift;
}

float code_of(float x, float inverse, float least, float most) {
  return std::min(std::max(nearest(x * inverse), least), most);
}

// The sums that least squares needs of codes q for values x. They are exact for the codes.
struct Sums {
  float q = 0;
  float qq = 0;
  float x = 0;
  float xq = 0;
};

// Four running sums: the compiler may not reorder additions by itself.
template <int kCount, typename Code>
Sums sums_of(const float* x, const Code& code) {
  constexpr int kLanes = 4;
  float q[kLanes] = {};
  float qq[kLanes] = {};
  float sum_x[kLanes] = {};
  float xq[kLanes] = {};
  for (int i = 0; i < kCount; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float value = x[i + lane];
      const float rounded = code(value);
      q[lane] += rounded;
      qq[lane] += rounded * rounded;
      sum_x[lane] += value;
      xq[lane] += value * rounded;
    }
  }
  const auto total = [](const float(&lanes)[kLanes]) { return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]); };
  return {total(q), total(qq), total(sum_x), total(xq)};
}

template <int kCount, typename Decoded>
float squared_error(const float* x, const Decoded& decoded) {
  constexpr int kLanes = 4;
  float sums[kLanes] = {};
  for (int i = 0; i < kCount; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float error = x[i + lane] - decoded(x[i + lane]);
      sums[lane] += error * error;
    }
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Codes 0 … most stand for scale q - min.
struct Affine {
  float scale = 0;
  float min = 0;
};

constexpr int kAffineBlock = 32;

// Least squares for given codes, min kept from being negative; `explained` is what it takes off the sum of x^2.
struct AffineFit {
  Affine affine;
  float explained = 0;
};
AffineFit solve(const Sums& sums) {
  constexpr float kCount = kAffineBlock;
  const float determinant = kCount * sums.qq - sums.q * sums.q;
  AffineFit fit;
  if (determinant > 0) {
    fit.affine.scale = (kCount * sums.xq - sums.x * sums.q) / determinant;
    fit.affine.min = (sums.q * sums.xq - sums.qq * sums.x) / determinant;
  }
  if (determinant <= 0 || fit.affine.min < 0) fit.affine = {sums.qq > 0 ? sums.xq / sums.qq : 0, 0};
  fit.explained = fit.affine.scale * sums.xq - fit.affine.min * sums.x;
  return fit;
}

Affine fit_affine(const float* x, int most) {
  const auto top = static_cast<float>(most);
  const auto [smallest, largest] = std::minmax_element(x, x + kAffineBlock);
  const float least = std::min(*smallest, 0.0f);
  const float range = *largest - least;
  if (!(range > 0)) return {0, -least};
  AffineFit best = {{range / top, -least}, -std::numeric_limits<float>::infinity()};
  // The ends may lie beyond the codes, or the codes beyond the ends.
  constexpr int kCandidates = 20;
  for (int i = 0; i < kCandidates; ++i) {
    const float inverse = reciprocal(range / (top - 1 + 0.1f * static_cast<float>(i)));
    const AffineFit fit =
        solve(sums_of<kAffineBlock>(x, [=](float value) { return code_of(value - least, inverse, 0, top); }));
    if (fit.affine.scale > 0 && fit.explained > best.explained) best = fit;
  }
  return best.affine;
}

// The quantised scale and minimum near `ideal` (in units of d and dmin) with the smallest error.
ScaleAndMin choose(const float* x, const Affine& ideal, float d, float dmin, int most) {
  const auto around = [](float value, float unit) {
    return unit > 0 ? static_cast<int>(nearest(std::min(value / unit, 63.0f))) : 0;
  };
  const ScaleAndMin middle = {around(ideal.scale, d), around(ideal.min, dmin)};
  ScaleAndMin best = middle;
  float least_error = std::numeric_limits<float>::infinity();
  for (int s = std::max(middle.scale - 1, 0); s <= std::min(middle.scale + 1, 63); ++s) {
    for (int m = std::max(middle.min - 1, 0); m <= std::min(middle.min + 1, 63); ++m) {
      const float scale = d * static_cast<float>(s);
      const float min = dmin * static_cast<float>(m);
      const float inverse = reciprocal(scale);
      const float error = squared_error<kAffineBlock>(
          x, [=](float value) { return scale * code_of(value + min, inverse, 0, static_cast<float>(most)) - min; });
      if (error < least_error) {
        least_error = error;
        best = {s, m};
      }
    }
  }
  return best;
}

void store(const ScaleAndMin& packed, int b, std::uint8_t (&scales)[12]) {
  const auto add = [&](int byte, int bits) { scales[byte] = static_cast<std::uint8_t>(scales[byte] | bits); };
  if (b < 4) {
    add(b, packed.scale);
    add(b + 4, packed.min);
  } else {
    add(b + 4, (packed.scale & 15) | ((packed.min & 15) << 4));
    add(b - 4, packed.scale >> 4 << 6);
    add(b, packed.min >> 4 << 6);
  }
}

// Writes all but the codes, which it returns.
template <typename Block>
std::array<int, kSuperBlock> encode_affine(const float* values, int most, Block& block) {
  constexpr int kBlocks = kSuperBlock / kAffineBlock;
  std::array<Affine, kBlocks> ideal;
  Affine largest;
  for (int b = 0; b < kBlocks; ++b) {
    const Affine fit = fit_affine(values + b * kAffineBlock, most);
    ideal[static_cast<std::size_t>(b)] = fit;
    largest = {std::max(largest.scale, fit.scale), std::max(largest.min, fit.min)};
  }
  block = {};
  block.d = scale_as_half(largest.scale / 63);
  block.dmin = scale_as_half(largest.min / 63);
  const float d = float_from_half(block.d);
  const float dmin = float_from_half(block.dmin);
  std::array<int, kSuperBlock> codes{};
  for (int b = 0; b < kBlocks; ++b) {
    const float* x = values + b * kAffineBlock;
    const ScaleAndMin packed = choose(x, ideal[static_cast<std::size_t>(b)], d, dmin, most);
    store(packed, b, block.scales);
    const float inverse = reciprocal(d * static_cast<float>(packed.scale));
    const float min = dmin * static_cast<float>(packed.min);
    for (int i = 0; i < kAffineBlock; ++i) {
      const float code = code_of(x[i] + min, inverse, 0, static_cast<float>(most));
      codes[static_cast<std::size_t>(b * kAffineBlock + i)] = static_cast<int>(code);
    }
  }
  return codes;
}

void add_bits(std::uint8_t& byte, int bits) { byte = static_cast<std::uint8_t>(byte | bits); }

// --- q6_k: codes around zero, of either sign, as are the scales.

constexpr int kSignedBlock = 16;
constexpr float kLeast = -32;
constexpr float kMost = 31;

float fit_scale(const float* x) {
  float peak = 0;
  for (int i = 0; i < kSignedBlock; ++i) {
    if (std::fabs(x[i]) > std::fabs(peak)) peak = x[i];
  }
  if (peak == 0) return 0;
  float best = peak / kLeast;
  float most_explained = 0;
  constexpr int kReach = 9;  // candidates on either side of the peak's own code
  for (int i = -kReach; i <= kReach; ++i) {
    const float inverse = reciprocal(peak / (kLeast + 0.1f * static_cast<float>(i)));
    const Sums sums = sums_of<kSignedBlock>(x, [=](float value) { return code_of(value, inverse, kLeast, kMost); });
    if (sums.qq > 0 && sums.xq * sums.xq > most_explained * sums.qq) {
      most_explained = sums.xq * sums.xq / sums.qq;
      best = sums.xq / sums.qq;
    }
  }
  return best;
}

int choose(const float* x, float ideal, float d) {
  if (d == 0) return 0;
  const int middle = static_cast<int>(nearest(std::clamp(ideal / d, -128.0f, 127.0f)));
  int best = middle;
  float least_error = std::numeric_limits<float>::infinity();
  for (int s = std::max(middle - 1, -128); s <= std::min(middle + 1, 127); ++s) {
    const float scale = d * static_cast<float>(s);
    const float inverse = reciprocal(scale);
    const float error =
        squared_error<kSignedBlock>(x, [=](float value) { return scale * code_of(value, inverse, kLeast, kMost); });
    if (error < least_error) {
      least_error = error;
      best = s;
    }
  }
  return best;
}

}  // namespace

void encode(const float* values, Q4K& block) {
  const auto codes = encode_affine(values, 15, block);
  for (int i = 0; i < kSuperBlock; ++i) {
    add_bits(block.q[i / 64 * 32 + i % 32], codes[static_cast<std::size_t>(i)] << (i / 32 % 2 * 4));
  }
}

void encode(const float* values, Q5K& block) {
  const auto codes = encode_affine(values, 31, block);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int code = codes[static_cast<std::size_t>(i)];
    add_bits(block.q[i / 64 * 32 + i % 32], (code & 15) << (i / 32 % 2 * 4));
    add_bits(block.high[i % 32], (code >> 4) << (i / 32));
  }
}

void encode(const float* values, Q6K& block) {
  constexpr int kBlocks = kSuperBlock / kSignedBlock;
  std::array<float, kBlocks> ideal{};
  float peak = 0;
  for (int b = 0; b < kBlocks; ++b) {
    const float scale = fit_scale(values + b * kSignedBlock);
    ideal[static_cast<std::size_t>(b)] = scale;
    if (std::fabs(scale) > std::fabs(peak)) peak = scale;
  }
  block = {};
  block.d = scale_as_half(peak / -128);
  const float d = float_from_half(block.d);
  for (int b = 0; b < kBlocks; ++b) {
    const float* x = values + b * kSignedBlock;
    const int quantised = choose(x, ideal[static_cast<std::size_t>(b)], d);
    block.scales[b] = static_cast<std::int8_t>(quantised);
    const float inverse = reciprocal(d * static_cast<float>(quantised));
    for (int i = b * kSignedBlock; i < (b + 1) * kSignedBlock; ++i) {
      const int code = static_cast<int>(code_of(values[i], inverse, kLeast, kMost)) + 32;
      add_bits(block.low[i / 128 * 64 + i % 64], (code & 15) << (i / 64 % 2 * 4));
      add_bits(block.high[i / 128 * 32 + i % 32], (code >> 4) << (i / 32 % 4 * 2));
    }
  }
}

}  // namespace steadyflux::codec
