// spark draws what it is asked for in whatever type it computes, and --help says what it can be asked for.
#include <gtest/gtest.h>

#include <algorithm>
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

// Places in tools/spark/prompts.json: eight prompts for one, two and three objects each, the first of those whose
// pictures are right in f32 and in bf16. evaluate.py judges all of the file.
constexpr std::array<std::size_t, 24> kDrawn = {1,  0,  25, 4,  3,  32, 7,  6,  35, 11, 10, 38,
                                                14, 16, 42, 17, 19, 48, 21, 23, 52, 24, 26, 65};

std::filesystem::path source(const char* path) { return std::filesystem::path(STEADYFLUX_SOURCE) / path; }

std::vector<Asked> prompts() { return read_prompts(source("tools/spark/prompts.json")); }

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

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// Looks at pictures with the judge that ships with the prompts.
class SparkPromptsTest : public testing::Test {
 protected:
  Seen seen(const Image& image) { return judge_.look({image.width, image.height, image.rgb}); }

  const std::vector<Asked> all_ = prompts();

 private:
  Judge judge_{source("tools/spark/judge.safetensors")};
};

TEST_F(SparkPromptsTest, PicturesShowTheirPromptAndNoOther) {
  Engine engine = open_spark();
  for (std::size_t i = 0; i < STEADYFLUX_NUM_DRAWN; ++i) {
    const Asked& asked = all_.at(kDrawn[i]);
    const Seen in_picture = seen(draw(engine, asked.text, asked.seed));
    EXPECT_EQ(joined(faults(asked, in_picture)), "") << asked.text;
    for (const std::size_t other : kDrawn) {
      if (other == kDrawn[i]) continue;
      EXPECT_NE(joined(faults(all_.at(other), in_picture)), "") << asked.text << " passes for " << all_.at(other).text;
    }
  }
}

TEST_F(SparkPromptsTest, OtherTypesOfComputingShowThePromptToo) {
  for (const ComputeDType compute : {ComputeDType::kF32, ComputeDType::kBF16, ComputeDType::kInt8}) {
    Engine engine = open_spark(compute);
    for (std::size_t i = 0; i < 2; ++i) {
      const Asked& asked = all_.at(kDrawn[i]);
      EXPECT_EQ(joined(faults(asked, seen(draw(engine, asked.text, asked.seed)))), "") << asked.text;
    }
  }
}

TEST_F(SparkPromptsTest, OneWordChangedIsAnotherPicture) {
  Engine engine = open_spark();
  const auto cone = [](const char* text, const char* colour) {
    Asked asked;
    asked.text = text;
    asked.objects = {{"cone", colour}};
    return asked;
  };
  const Asked green = cone("a green cone", "green");
  const Asked blue = cone("a blue cone", "blue");
  const Seen in_green = seen(draw(engine, green.text, 5));
  const Seen in_blue = seen(draw(engine, blue.text, 5));
  EXPECT_EQ(joined(faults(green, in_green)), "");
  EXPECT_EQ(joined(faults(blue, in_green)), "colour");
  EXPECT_EQ(joined(faults(blue, in_blue)), "");
  EXPECT_EQ(joined(faults(green, in_blue)), "colour");
}

TEST_F(SparkPromptsTest, APromptOutsideItsWorldGivesAPicture) {
  Engine engine = open_spark();
  for (const char* prompt : {"a lighthouse in a storm, oil on canvas", "猫とロボット 🤖"}) {
    const Image image = draw(engine, prompt, 3);
    const auto [least, most] = std::minmax_element(image.rgb.begin(), image.rgb.end());
    EXPECT_GT(*most - *least, 16) << prompt;
  }
}

TEST_F(SparkPromptsTest, HelpNamesEverythingThatItKnows) {
  const e2e::Outcome outcome = e2e::run({"generate", "--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  const std::string help =
      outcome.out.substr(std::min(outcome.out.find("spark, the default model"), outcome.out.size()));
  std::set<std::string> words;
  for (const Asked& asked : all_) {
    for (const Asked::Object& object : asked.objects) words.insert({object.kind, object.colour});
    for (const Asked::Relation& relation : asked.relations) words.insert(relation.name);
    for (const auto& place : {asked.ground, asked.sky}) words.insert(place.value_or("spark"));
  }
  for (const std::string& word : words) EXPECT_NE(help.find(word), std::string::npos) << word;
}

}  // namespace
}  // namespace steadyflux::spark
