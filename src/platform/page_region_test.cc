#include "platform/page_region.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/error.h"

namespace steadyflux {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(PageRegion, IsZeroedAlignedAndWholePages) {
  const PageRegion region(3 * page_bytes() + 1);
  EXPECT_EQ(region.size(), 4 * page_bytes());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region.data()) % page_bytes(), 0U);
  EXPECT_TRUE(std::all_of(region.bytes().begin(), region.bytes().end(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST(PageRegion, HugePagesAreOnlyAnAdvice) {
  const PageRegion region(4 * kMiB, {.huge_pages = true});
  EXPECT_EQ(region.size(), 4 * kMiB);
}

TEST(PageRegion, MovesAndEmpties) {
  PageRegion first(page_bytes());
  std::byte* const data = first.data();
  PageRegion second(std::move(first));
  EXPECT_EQ(second.data(), data);
  PageRegion third(page_bytes());
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  third = PageRegion();
  EXPECT_EQ(third.data(), nullptr);
  EXPECT_EQ(PageRegion(0).size(), 0U);
  EXPECT_TRUE(PageRegion(0).lock());
}

TEST(PageRegion, RefusalIsAnError) {
  for (const std::size_t size : {std::numeric_limits<std::size_t>::max(), std::size_t{1} << 62}) {
    try {
      const PageRegion region(size);
      FAIL() << "got " << size << " bytes";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kIo);
    }
  }
}

}  // namespace
}  // namespace steadyflux
