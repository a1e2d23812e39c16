#include "backend/cpu/transpose.h"
#include "tensor/encode/for_each_target.h"

#include <gtest/gtest.h>

#include <vector>

namespace steadyflux::cpu {
namespace {

TEST(Transpose, TurnsBlocksOfAnySizeAndLeavesTheRest) {
  constexpr std::int64_t kFromStride = 13;
  constexpr std::int64_t kToStride = 11;
  std::vector<float> from(11 * kFromStride);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
  for_each_target([&] {
    for (const std::int64_t rows : {1, 4, 7, 8, 11}) {
      for (const std::int64_t cols : {1, 3, 4, 8, 13}) {
        std::vector<float> to(13 * kToStride, -1);
        transpose(from.data(), kFromStride, rows, cols, to.data(), kToStride);
        for (std::int64_t c = 0; c < 13; ++c) {
          for (std::int64_t r = 0; r < kToStride; ++r) {
            const float expected = r < rows && c < cols ? from[static_cast<std::size_t>(r * kFromStride + c)] : -1;
            EXPECT_EQ(to[static_cast<std::size_t>(c * kToStride + r)], expected) << r << ", " << c;
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace steadyflux::cpu
