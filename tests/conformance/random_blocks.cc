#include "random_blocks.h"

#include <cstring>

#include "base/half.h"

namespace steadyflux::conformance {
namespace {

// Where a block's f16 numbers lie, and how large they may be.
struct Number {
  std::size_t offset = 0;
  float size = 0;
};
struct Numbers {
  Number scale;
  Number minimum;  // or none
};

Numbers numbers_of(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0:
      return {{0, 1.0f / 128}, {}};
    case DType::kQ4_0:
      return {{0, 1.0f / 8}, {}};
    case DType::kQ4_1:
      return {{0, 1.0f / 15}, {2, 0.5f}};
    case DType::kQ5_0:
      return {{0, 1.0f / 16}, {}};
    case DType::kQ5_1:
      return {{0, 1.0f / 31}, {2, 0.5f}};
    case DType::kQ2K:
      return {{80, 1.0f / (15 * 3)}, {82, 0.5f / 15}};
    case DType::kQ3K:
      return {{108, 1.0f / (32 * 4)}, {}};
    case DType::kQ4K:
      return {{0, 1.0f / (63 * 15)}, {2, 0.5f / 63}};
    case DType::kQ5K:
      return {{0, 1.0f / (63 * 31)}, {2, 0.5f / 63}};
    case DType::kQ6K:
      return {{208, 1.0f / (128 * 32)}, {}};
    case DType::kIq4Nl:
      return {{0, 1.0f / 127}, {}};
    case DType::kIq4Xs:
      return {{0, 1.0f / (32 * 127)}, {}};
    default:
      return {};
  }
}

void store(const Number& number, std::byte* block, std::mt19937_64& random) {
  if (number.size == 0) return;
  const float share = static_cast<float>(random() >> 40) * 0x1p-23f - 1;  // in [-1, 1]
  const Half half = half_from_float(number.size * share);
  std::memcpy(block + number.offset, &half, sizeof half);
}

}  // namespace

void fill_blocks(DType dtype, std::byte* blocks, std::int64_t count, std::mt19937_64& random) {
  const std::size_t bytes = dtype_bytes(dtype);
  const Numbers numbers = numbers_of(dtype);
  for (std::int64_t b = 0; b < count; ++b) {
    std::byte* block = blocks + static_cast<std::size_t>(b) * bytes;
    for (std::size_t i = 0; i < bytes; ++i) block[i] = static_cast<std::byte>(random());
    store(numbers.scale, block, random);
    store(numbers.minimum, block, random);
  }
}

float scale_apart(DType dtype) { return dtype == DType::kI8 ? 1.0f / 127 : 1.0f; }

}  // namespace steadyflux::conformance
