#include "sampling/size.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/error.h"

namespace steadyflux::sampling {
namespace {

std::string refusal(std::int64_t width, std::int64_t height) {
  try {
    latent_size(width, height);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

TEST(Size, ALatentIsAnEighthOfTheImage) {
  EXPECT_EQ(latent_size(1024, 1024), (LatentSize{128, 128}));
  EXPECT_EQ(latent_size(1216, 832), (LatentSize{104, 152}));
  EXPECT_EQ(latent_size(1216, 832).num_tokens(), 3952);
  EXPECT_EQ(latent_size(16, 16384), (LatentSize{2048, 2}));
  EXPECT_EQ(latent_size(24, 40, 4), (LatentSize{10, 6}));
}

TEST(Size, NamesTheNearestSizesThatWork) {
  EXPECT_EQ(refusal(1000, 1024), "image width 1000 is not a multiple of 16; the nearest are 992 and 1008");
  EXPECT_EQ(refusal(1024, 1023), "image height 1023 is not a multiple of 16; the nearest are 1008 and 1024");
  EXPECT_EQ(refusal(15, 1024), "image width 15 is not a multiple of 16; the nearest is 16");
}

TEST(Size, RefusesWhatIsNoImage) {
  for (const std::int64_t side : {std::int64_t{0}, std::int64_t{-16}, std::int64_t{16400}, std::int64_t{1} << 40,
                                  std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_NE(refusal(side, 1024).find("16 to 16384"), std::string::npos) << side;
    EXPECT_NE(refusal(1024, side).find("16 to 16384"), std::string::npos) << side;
  }
}

}  // namespace
}  // namespace steadyflux::sampling
