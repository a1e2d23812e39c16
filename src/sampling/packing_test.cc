#include "sampling/packing.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

namespace steadyflux::sampling {
namespace {

std::vector<int> counting(std::size_t count) {
  std::vector<int> values(count);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

TEST(Packing, PutsTwoByTwoPixelsOfEveryChannelIntoAToken) {
  const LatentSize size = {4, 6};
  const std::vector<int> latent = counting(2 * 4 * 6);
  std::vector<int> packed(latent.size());
  pack_latent<int>(size, 2, latent, packed);
  EXPECT_EQ(packed, (std::vector<int>{0,  1,  6,  7,  24, 25, 30, 31, 2,  3,  8,  9,  26, 27, 32, 33,
                                      4,  5,  10, 11, 28, 29, 34, 35, 12, 13, 18, 19, 36, 37, 42, 43,
                                      14, 15, 20, 21, 38, 39, 44, 45, 16, 17, 22, 23, 40, 41, 46, 47}));
}

TEST(Packing, UnpackingIsTheInverse) {
  const LatentSize size = {10, 6};
  const std::vector<int> latent = counting(16 * 10 * 6);
  std::vector<int> packed(latent.size());
  std::vector<int> unpacked(latent.size());
  pack_latent<int>(size, 16, latent, packed);
  unpack_latent<int>(size, 16, packed, unpacked);
  EXPECT_NE(packed, latent);
  EXPECT_EQ(unpacked, latent);
}

TEST(Packing, ASpanOfTheWrongSizeIsABug) {
  std::vector<int> packed(15);
  const std::vector<int> latent(16);
  EXPECT_THROW(pack_latent<int>({4, 4}, 1, latent, packed), Error);
  EXPECT_THROW(unpack_latent<int>({4, 4}, 1, packed, packed), Error);
}

TEST(Packing, ImageIdsAreRowAndColumn) {
  const LatentSize size = {4, 6};
  std::vector<float> ids(static_cast<std::size_t>(size.num_tokens()) * 3);
  image_ids(size, DType::kF32, ids);
  EXPECT_EQ(ids, (std::vector<float>{0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 1, 0, 0, 1, 1, 0, 1, 2}));
}

TEST(Packing, ImageIdsAbove256AreRoundedInBf16) {
  const LatentSize size = {2, 600};
  std::vector<float> ids(3 * 300);
  image_ids(size, DType::kBF16, ids);
  std::vector<float> columns;
  for (std::size_t i = 257; i < 264; ++i) columns.push_back(ids[3 * i + 2]);
  EXPECT_EQ(columns, (std::vector<float>{256, 258, 260, 260, 260, 262, 264}));
}

}  // namespace
}  // namespace steadyflux::sampling
