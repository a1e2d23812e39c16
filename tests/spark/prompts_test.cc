// spark draws what it is asked for, and says what it can be asked for.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "e2e/program.h"
#include "spark/verdict.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::spark {
namespace {

// Places in prompts.json: eight prompts for one, two and three objects each.
constexpr std::array<std::size_t, 24> kDrawn = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                                12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};

std::filesystem::path source(const char* path) { return std::filesystem::path(STEADYFLUX_SOURCE) / path; }

std::vector<Asked> prompts() { return read_prompts(source("tools/spark/prompts.json")); }

Engine open_spark() { return Engine::open({.model = source("models/spark").string()}); }

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

TEST(SparkPromptsTest, EveryPictureShowsItsPromptAndNoOther) {
  const std::vector<Asked> all = prompts();
  Judge judge(source("tools/spark/judge.safetensors"));
  Engine engine = open_spark();
  for (std::size_t i = 0; i < STEADYFLUX_NUM_DRAWN; ++i) {
    const Asked& asked = all.at(kDrawn[i]);
    Request request;
    request.prompts = {asked.text};
    request.seed = asked.seed;
    const Result result = engine.generate(request);
    const Image& image = result.images.at(0);
    const Seen seen = judge.look({image.width, image.height, image.rgb});
    EXPECT_EQ(joined(faults(asked, seen)), "") << asked.text;
    for (const std::size_t other : kDrawn) {
      if (other == kDrawn[i]) continue;
      EXPECT_NE(joined(faults(all.at(other), seen)), "") << asked.text << " passes for " << all.at(other).text;
    }
  }
}

TEST(SparkPromptsTest, APromptOutsideItsWorldGivesAPicture) {
  Request request;
  request.prompts = {"a lighthouse in a storm, oil on canvas", "猫とロボット 🤖"};
  request.steps = 1;
  request.seed = 3;
  const Result result = open_spark().generate(request);
  ASSERT_EQ(result.images.size(), 2U);
  for (const Image& image : result.images) {
    const std::set<std::uint8_t> values(image.rgb.begin(), image.rgb.end());
    EXPECT_GT(values.size(), 16U) << image.prompt;
  }
}

TEST(SparkPromptsTest, HelpNamesEverythingThatItKnows) {
  const e2e::Outcome outcome = e2e::run({"generate", "--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  std::set<std::string> words;
  for (const Asked& asked : prompts()) {
    for (const Asked::Object& object : asked.objects) words.insert({object.kind, object.colour});
    for (const Asked::Relation& relation : asked.relations) words.insert(relation.name);
    for (const auto& place : {asked.ground, asked.sky}) words.insert(place.value_or("spark"));
  }
  for (const std::string& word : words) EXPECT_NE(outcome.out.find(word), std::string::npos) << word;
}

}  // namespace
}  // namespace steadyflux::spark
