#include "format/weight_entry.h"

#include "io/expect_error.h"

namespace steadyflux {
namespace {

TEST(WeightEntry, RowsOfBlocksBeginAtABlock) {
  const WeightEntry entry{DType::kQ4K, {6, 512}, {1, 1000, 6 * 288}};
  const WeightEntry part = rows_of(entry, 2, 3, "a");
  EXPECT_EQ(part.shape, (std::vector<std::int64_t>{3, 512}));
  EXPECT_EQ(part.values, (Extent{1, 1000 + 2 * 288, 3 * 288}));
  EXPECT_EQ(part.num_bytes(), 3U * 288);
}

TEST(WeightEntry, RowsInsideABlockAreRefused) {
  const WeightEntry entry{DType::kQ8_0, {64}, {0, 0, 68}};
  expect_error(ErrorCode::kUnsupported, "\"a\" has to be cut into rows of 1", [&] { rows_of(entry, 32, 32, "a"); });
}

TEST(WeightEntry, ScalesGoWithTheirRows) {
  WeightEntry four_bit{DType::kNf4, {6, 128}, {0, 0, 6 * 64}};
  four_bit.scales.values = {2, 4000, 12 * 4};
  const WeightEntry part = rows_of(four_bit, 1, 2, "a");
  EXPECT_EQ(part.values, (Extent{0, 64, 2 * 64}));
  EXPECT_EQ(part.scales, (ScalesExtents{{2, 4000 + 2 * 4, 4 * 4}, {}, 0, 0}));

  WeightEntry by_row{DType::kI8, {6, 100}, {0, 0, 600}};
  by_row.scales.values = {0, 800, 6 * 4};
  EXPECT_EQ(rows_of(by_row, 4, 2, "a").scales.values, (Extent{0, 816, 8}));
}

TEST(WeightEntry, NestedScalesAreCutBetweenTheirBlocksOf256) {
  WeightEntry entry{DType::kFp4, {600, 64}, {0, 0, 600 * 32}};
  entry.scales = {{0, 1000, 600}, {0, 2000, 3 * 4}, 0.5f, 0};
  const WeightEntry part = rows_of(entry, 300, 250, "a");
  EXPECT_EQ(part.scales, (ScalesExtents{{0, 1256, 44 + 250}, {0, 2004, 2 * 4}, 0.5f, 44}));
  // A part of a part counts from the same blocks.
  EXPECT_EQ(rows_of(part, 220, 30, "a").scales, (ScalesExtents{{0, 1512, 8 + 30}, {0, 2008, 4}, 0.5f, 8}));
}

}  // namespace
}  // namespace steadyflux
