#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace steadyflux {
namespace {

TEST(Tensor, SlicesShareMemoryAndKeepTheRowStride) {
  std::vector<float> storage(4 * 6);
  const Tensor whole(reinterpret_cast<std::byte*>(storage.data()), DType::kF32, {4, 6});
  const Tensor part = whole.rows(1, 2).cols(2, 3);
  EXPECT_EQ(part.shape, (Shape{2, 3}));
  EXPECT_EQ(part.row_stride(), 6);
  EXPECT_EQ(part.as<float>(), storage.data() + 6 + 2);
  EXPECT_FALSE(part.is_contiguous());
  EXPECT_TRUE(whole.rows(1, 2).is_contiguous());
}

TEST(Tensor, SplitsHeadsOfAStridedView) {
  std::vector<float> storage(4 * 12);
  const Tensor qkv(reinterpret_cast<std::byte*>(storage.data()), DType::kF32, {4, 12});
  const Tensor k = qkv.cols(4, 4).split_heads(2);
  EXPECT_EQ(k.shape, (Shape{4, 2, 2}));
  EXPECT_EQ(k.strides[0], 12);
  EXPECT_EQ(k.strides[1], 2);
}

TEST(Tensor, RefusesImpossibleViews) {
  std::vector<float> storage(24);
  const Tensor tensor(reinterpret_cast<std::byte*>(storage.data()), DType::kF32, {4, 6});
  EXPECT_THROW(tensor.rows(3, 2), Error);
  EXPECT_THROW(tensor.cols(-1, 2), Error);
  EXPECT_THROW(tensor.reshaped({5, 5}), Error);
  EXPECT_THROW(tensor.cols(0, 3).reshaped({12}), Error);
  EXPECT_THROW(tensor.split_heads(4), Error);
}

TEST(Tensor, ViewsOfQuantisedRowsMoveByBlocks) {
  std::vector<std::byte> storage(bytes_of(DType::kQ4_0, 4 * 96));
  const Tensor whole(storage.data(), DType::kQ4_0, {4, 96});
  EXPECT_EQ(whole.num_bytes(), storage.size());
  EXPECT_EQ(whole.rows(1, 2).data, storage.data() + std::ptrdiff_t{3 * 18});
  EXPECT_EQ(whole.rows(1, 2).cols(32, 64).data, storage.data() + std::ptrdiff_t{4 * 18});
  EXPECT_THROW(whole.cols(16, 32), Error);
}

TEST(Tensor, ViewsKnowTheScaleTheyBeginWith) {
  std::vector<std::byte> storage(bytes_of(DType::kNf4, 4 * 128));
  std::vector<float> scales(8);
  Tensor whole(storage.data(), DType::kNf4, {4, 128});
  whole.scales.values = reinterpret_cast<std::byte*>(scales.data());
  EXPECT_EQ(whole.rows(3, 1).scales.first, 6);
  EXPECT_EQ(whole.rows(1, 2).cols(64, 64).scales.first, 3);
  EXPECT_EQ(whole.reshaped({2, 256}).scales, whole.scales);

  EXPECT_EQ(whole.scales.values_bytes(8), 32U);
  EXPECT_EQ(whole.scales.nested_bytes(8), 0U);

  whole.dtype = DType::kI8;
  EXPECT_EQ(whole.rows(3, 1).cols(64, 64).scales.first, 3);
}

TEST(Tensor, NestedScalesAreAByteEachAndAnF32ForEachBlockBegun) {
  std::vector<std::byte> storage(8);
  const Scales scales = {storage.data(), storage.data(), 0, 0};
  EXPECT_EQ(scales.values_bytes(257), 257U);
  EXPECT_EQ(scales.nested_bytes(256), 4U);
  EXPECT_EQ(scales.nested_bytes(257), 8U);
}

}  // namespace
}  // namespace steadyflux
