// --decode as a user meets it: what is planned, that bands do not show, what a refusal suggests.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "steadyflux/steadyflux.h"

namespace steadyflux {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kReserveBytes = 64 * kMiB;

EngineOptions options(std::uint64_t ram_bytes = 0) {
  EngineOptions options;
  options.model = "models/spark";
  options.threads = 2;
  options.ram_bytes = ram_bytes;
  return options;
}

Request request(int side, DecodeChoice decode) {
  Request request;
  request.prompts = {"a red circle"};
  request.seed = 3;
  request.steps = 1;
  request.width = request.height = side;
  request.decode = decode;
  return request;
}

Plan plan(int side, DecodeChoice decode, std::uint64_t ram_bytes = 0) {
  return Engine::open(options(ram_bytes)).plan(request(side, decode));
}

std::vector<std::uint8_t> picture(const Request& request) {
  return Engine::open(options()).generate(request).images.at(0).rgb;
}

TEST(DecodeChoiceTest, BandsMakeTheSamePicture) {
  const std::vector<std::uint8_t> whole = picture(request(256, DecodeChoice::kWhole));
  EXPECT_EQ(picture(request(256, DecodeChoice::kAuto)), whole);
  EXPECT_EQ(picture(request(256, DecodeChoice::kBanded)), whole);
}

TEST(DecodeChoiceTest, TilesAreDecodedOnlyWhenAskedFor) {
  Request tiled = request(256, DecodeChoice::kTiled);
  tiled.tile_size = 128;
  const Plan planned = Engine::open(options()).plan(tiled);
  EXPECT_EQ(planned.phases.back().decode, "tiled 128");
  EXPECT_NE(picture(tiled), picture(request(256, DecodeChoice::kWhole)));
  for (const std::uint64_t ram : {std::uint64_t{0}, 4000 * kMiB, kMiB}) {
    EXPECT_NE(plan(1024, DecodeChoice::kAuto, ram).phases.back().decode.substr(0, 5), "tiled");
  }
}

TEST(DecodeChoiceTest, WhatDoesNotFitWholeIsDecodedInBands) {
  const Plan whole = plan(1536, DecodeChoice::kAuto);
  EXPECT_EQ(whole.phases.back().decode, "whole");
  ASSERT_EQ(whole.peak_bytes, whole.phases.back().planned_peak_bytes) << "another phase needs more than decode";
  const std::uint64_t budget = whole.peak_bytes + kReserveBytes - 16 * kMiB;

  const Plan banded = plan(1536, DecodeChoice::kAuto, budget);
  ASSERT_FALSE(banded.does_not_fit);
  EXPECT_EQ(banded.phases.back().decode.substr(0, 6), "banded");
  EXPECT_LE(banded.peak_bytes, budget - kReserveBytes);

  const Plan refused = plan(1536, DecodeChoice::kWhole, budget);
  ASSERT_TRUE(refused.does_not_fit);
  EXPECT_EQ(refused.does_not_fit->phase, "decode");
  const std::vector<std::string>& suggestions = refused.does_not_fit->suggestions;
  EXPECT_NE(std::find(suggestions.begin(), suggestions.end(), "--decode auto"), suggestions.end());
}

TEST(DecodeChoiceTest, ASizeOfTileThatMeansNothingIsRefused) {
  Request unasked = request(256, DecodeChoice::kAuto);
  unasked.tile_size = 128;
  EXPECT_THROW(Engine::open(options()).plan(unasked), Error);
  Request odd = request(256, DecodeChoice::kTiled);
  odd.tile_size = 100;
  EXPECT_THROW(Engine::open(options()).plan(odd), Error);
}

}  // namespace
}  // namespace steadyflux
