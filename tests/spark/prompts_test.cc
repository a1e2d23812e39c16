// spark draws what it is asked for in whatever type it computes, and --help says what it can be asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "e2e/program.h"
#include "io/file.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {
namespace {

// Mean colours of kCells x kCells cells of a picture, row by row, red, green, blue, from 0 to 255.
using Thumbnail = std::vector<double>;
constexpr int kCells = 8;

// Between what tools/spark/thumbnails.py measures: pictures of one prompt, computed in other types, are at most 0.91
// apart, those of two prompts that differ by a word at least 10.38.
constexpr double kMostApart = 3;

struct Drawn {
  std::string prompt;
  std::string one_word_off;
  std::uint64_t seed = 0;
  Thumbnail thumbnail;
};

std::filesystem::path source(const char* path) { return std::filesystem::path(STEADYFLUX_SOURCE) / path; }

Thumbnail from_hex(const std::string& text) {
  Thumbnail thumbnail;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    int value = -1;
    std::from_chars(&text[i], &text[i] + 2, value, 16);
    thumbnail.push_back(value);
  }
  return thumbnail;
}

std::vector<Drawn> stored() {
  std::vector<Drawn> all;
  for (const auto& entry : nlohmann::json::parse(read_whole_file(source("tests/spark/thumbnails.json"), 1U << 20U))) {
    all.push_back({entry.at("prompt"), entry.at("one_word_off"), entry.at("seed"), from_hex(entry.at("thumbnail"))});
  }
  return all;
}

Thumbnail thumbnail_of(const Image& image) {
  Thumbnail sums(kCells * kCells * 3);
  std::size_t next = 0;
  for (int row = 0; row < image.height; ++row) {
    for (int column = 0; column < image.width; ++column) {
      const int cell = row * kCells / image.height * kCells + column * kCells / image.width;
      for (int channel = 0; channel < 3; ++channel)
        sums[static_cast<std::size_t>(3 * cell + channel)] += image.rgb[next++];
    }
  }
  for (double& sum : sums) sum = sum * kCells * kCells / (image.width * image.height);
  return sums;
}

// Root of the mean square of the differences.
double distance(const Thumbnail& a, const Thumbnail& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b.at(i)) * (a[i] - b.at(i));
  return std::sqrt(sum / static_cast<double>(a.size()));
}

Engine open_spark(ComputeDType compute = ComputeDType::kAuto) {
  EngineOptions options;
  options.model = source("models/spark").string();
  options.compute = compute;
  return Engine::open(options);
}

Image draw(Engine& engine, const std::string& prompt, std::uint64_t seed) {
  Request request;
  request.prompts = {prompt};
  request.seed = seed;
  return engine.generate(request).images.at(0);
}

TEST(SparkPromptsTest, EveryPictureIsItsPromptsAndNoOthers) {
  const std::vector<Drawn> all = stored();
  ASSERT_EQ(all.size(), 24U);
  Engine engine = open_spark();
  for (std::size_t i = 0; i < STEADYFLUX_NUM_DRAWN; ++i) {
    const Thumbnail thumbnail = thumbnail_of(draw(engine, all[i].prompt, all[i].seed));
    for (const Drawn& other : all) {
      const double apart = distance(thumbnail, other.thumbnail);
      if (other.prompt == all[i].prompt) {
        EXPECT_LE(apart, kMostApart) << other.prompt;
      } else {
        EXPECT_GT(apart, kMostApart) << all[i].prompt << " looks like " << other.prompt;
      }
    }
  }
}

TEST(SparkPromptsTest, OtherTypesOfComputingGiveTheSamePicture) {
  const Drawn first = stored().at(0);
  for (const ComputeDType compute : {ComputeDType::kF32, ComputeDType::kBF16}) {
    Engine engine = open_spark(compute);
    EXPECT_LE(distance(thumbnail_of(draw(engine, first.prompt, first.seed)), first.thumbnail), kMostApart);
  }
}

TEST(SparkPromptsTest, OneWordChangedIsAnotherPicture) {
  const std::vector<Drawn> all = stored();
  Engine engine = open_spark();
  for (std::size_t i = 0; i < 2; ++i) {  // a colour, a shape
    const Image image = draw(engine, all.at(i).one_word_off, all.at(i).seed);
    EXPECT_GT(distance(thumbnail_of(image), all.at(i).thumbnail), kMostApart) << all.at(i).one_word_off;
  }
}

TEST(SparkPromptsTest, APromptOutsideItsWorldGivesAPicture) {
  Engine engine = open_spark();
  for (const char* prompt : {"a lighthouse in a storm, oil on canvas", "猫とロボット 🤖"}) {
    const Image image = draw(engine, prompt, 3);
    const auto [least, most] = std::minmax_element(image.rgb.begin(), image.rgb.end());
    EXPECT_GT(*most - *least, 16) << prompt;
  }
}

TEST(SparkPromptsTest, HelpNamesEverythingThatItKnows) {
  const e2e::Outcome outcome = e2e::run({"generate", "--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  const std::string help =
      outcome.out.substr(std::min(outcome.out.find("spark, the default model"), outcome.out.size()));
  for (const Drawn& drawn : stored()) {
    std::istringstream words(drawn.prompt);
    for (std::string word; words >> word;) {
      word.erase(std::remove(word.begin(), word.end(), ','), word.end());
      EXPECT_NE(help.find(word), std::string::npos) << word;
    }
  }
}

}  // namespace
}  // namespace steadyflux
