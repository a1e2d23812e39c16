// The blocks of GGUF's quantised types as they lie in a file: what each byte is for.
//
// "Low nibbles first" of n bytes: element i is the low nibble of byte i for i < n, the high nibble of byte i - n above.
// Bytes are little-endian; blocks follow each other without gaps, so an address is even and no more.
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "base/half.h"

namespace steadyflux::codec {

// 32 elements: d (q - 8).
struct Q4_0 {
  Half d;
  std::uint8_t q[16];  // low nibbles first
};

// 32 elements: d q + m.
struct Q4_1 {
  Half d;
  Half m;
  std::uint8_t q[16];  // low nibbles first
};

// 32 elements: d (q - 16).
struct Q5_0 {
  Half d;
  std::uint8_t high[4];  // bit i % 8 of byte i / 8: bit 4 of q of element i
  std::uint8_t q[16];    // bits 0 to 3, low nibbles first
};

// 32 elements: d q + m.
struct Q5_1 {
  Half d;
  Half m;
  std::uint8_t high[4];
  std::uint8_t q[16];
};

// 32 elements: d q.
struct Q8_0 {
  Half d;
  std::int8_t q[32];
};

inline constexpr int kSuperBlock = 256;  // elements of a block with blocks inside

// 16 blocks of 16: (d s) q - (dmin m), s and m being the low and the high nibble of a scale.
struct Q2K {
  std::uint8_t scales[16];
  std::uint8_t q[64];  // each 32 bytes hold 128 elements: bits 0 and 1 of them the first 32, bits 2 and 3 the next, …
  Half d;
  Half dmin;
};

// 16 blocks of 16: (d (s - 32)) (q - 4), s of six bits.
struct Q3K {
  std::uint8_t high[32];    // bit i / 32 of byte i % 32: bit 2 of q of element i
  std::uint8_t q[64];       // bits 0 and 1, as Q2K's
  std::uint8_t scales[12];  // bits 0 to 3 of s: low nibbles first, of 8 bytes; bits 4 and 5: 4 bytes, as Q2K's q
  Half d;
};

// 8 blocks of 32: (d s) q - (dmin m), s and m of six bits.
struct Q4K {
  Half d;
  Half dmin;
  // Blocks 0 to 3: s in the low six bits of bytes 0 to 3, m in those of bytes 4 to 7. Blocks 4 to 7: bits 0 to 3 of s
  // and m in the low and high nibbles of bytes 8 to 11, bits 4 and 5 in the high two bits of bytes 0 to 3 and 4 to 7.
  std::uint8_t scales[12];
  std::uint8_t q[128];  // each 32 bytes hold two blocks, low nibbles first
};

// As Q4K, q having five bits.
struct Q5K {
  Half d;
  Half dmin;
  std::uint8_t scales[12];
  std::uint8_t high[32];  // bit i / 32 of byte i % 32: bit 4 of q of element i
  std::uint8_t q[128];
};

// 16 blocks of 16: (d s) (q - 32), q of six bits.
struct Q6K {
  std::uint8_t low[128];  // bits 0 to 3: each 64 bytes hold 128 elements, low nibbles first
  std::uint8_t high[64];  // bits 4 and 5, as Q2K's q
  std::int8_t scales[16];
  Half d;
};

// The numbers that the four bits of IQ4_NL and IQ4_XS stand for.
inline constexpr std::int8_t kIq4Codes[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// 32 elements: d kIq4Codes[q].
struct Iq4Nl {
  Half d;
  std::uint8_t q[16];  // low nibbles first
};

// 8 blocks of 32: (d (s - 32)) kIq4Codes[q], s of six bits.
struct Iq4Xs {
  Half d;
  std::uint16_t scales_high;   // bits 2b and 2b + 1: bits 4 and 5 of s of block b
  std::uint8_t scales_low[4];  // nibble b, the low one of a byte first: bits 0 to 3
  std::uint8_t q[128];         // each 16 bytes hold a block, low nibbles first
};

// s and m of block `b` of the twelve bytes of Q4K and Q5K.
struct ScaleAndMin {
  int scale = 0;
  int min = 0;
};
constexpr ScaleAndMin scale_and_min(const std::uint8_t (&packed)[12], int b) {
  if (b < 4) return {packed[b] & 63, packed[b + 4] & 63};
  return {(packed[b + 4] & 15) | ((packed[b - 4] >> 6) << 4), (packed[b + 4] >> 4) | ((packed[b] >> 6) << 4)};
}

// s - 32 of block `b` of Q3K.
constexpr int q3k_scale(const std::uint8_t (&packed)[12], int b) {
  const int low = (packed[b % 8] >> (b / 8 * 4)) & 15;
  const int high = (packed[8 + b % 4] >> (b / 4 * 2)) & 3;
  return (low | (high << 4)) - 32;
}

// s - 32 of block `b` of IQ4_XS.
constexpr int iq4_xs_scale(const Iq4Xs& block, int b) {
  const int low = (block.scales_low[b / 2] >> (b % 2 * 4)) & 15;
  const int high = (block.scales_high >> (2 * b)) & 3;
  return (low | (high << 4)) - 32;
}

static_assert(sizeof(Q4_0) == dtype_bytes(DType::kQ4_0) && sizeof(Q4_1) == dtype_bytes(DType::kQ4_1));
static_assert(sizeof(Q5_0) == dtype_bytes(DType::kQ5_0) && sizeof(Q5_1) == dtype_bytes(DType::kQ5_1));
static_assert(sizeof(Q8_0) == dtype_bytes(DType::kQ8_0) && sizeof(Q2K) == dtype_bytes(DType::kQ2K));
static_assert(sizeof(Q3K) == dtype_bytes(DType::kQ3K) && sizeof(Q4K) == dtype_bytes(DType::kQ4K));
static_assert(sizeof(Q5K) == dtype_bytes(DType::kQ5K) && sizeof(Q6K) == dtype_bytes(DType::kQ6K));
static_assert(sizeof(Iq4Nl) == dtype_bytes(DType::kIq4Nl) && sizeof(Iq4Xs) == dtype_bytes(DType::kIq4Xs));

}  // namespace steadyflux::codec
