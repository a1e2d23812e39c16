#include "base/dtype.h"

#include <gtest/gtest.h>

namespace steadyflux {
namespace {

TEST(DType, NamesRoundTripInBothSpellings) {
  for (std::size_t i = 0; i < kNumDTypes; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(parse_dtype(dtype_name(dtype)), dtype) << i;
    EXPECT_GT(block_shape(dtype).bytes, 0u) << i;
  }
  EXPECT_EQ(block_shape(static_cast<DType>(kNumDTypes)).bytes, 0u);
  EXPECT_EQ(parse_dtype("BF16"), DType::kBF16);
  EXPECT_EQ(parse_dtype("F8_E4M3"), std::nullopt);
  EXPECT_EQ(parse_dtype(""), std::nullopt);
}

TEST(DType, CountsBytesInWholeBlocks) {
  EXPECT_EQ(bytes_of(DType::kBF16, 3), 6u);
  EXPECT_EQ(bytes_of(DType::kQ4_0, 64), 36u);
  EXPECT_EQ(bytes_of(DType::kQ6K, 512), 420u);
  EXPECT_EQ(bytes_of(DType::kNf4, 128), 64u);
}

}  // namespace
}  // namespace steadyflux
