#include "pipeline/cache/prompt_key.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace steadyflux {
namespace {

// Every key that `changes` give, each applied alone to a fresh input, differs from all the others and from the first.
template <typename Input>
void expect_all_matter(const std::function<Digest(const Input&)>& key,
                       const std::vector<std::function<void(Input&)>>& changes) {
  std::set<std::string> keys = {key(Input()).to_hex()};
  EXPECT_EQ(key(Input()), key(Input()));
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Input changed;
    changes[i](changed);
    EXPECT_TRUE(keys.insert(key(changed).to_hex()).second) << "change " << i;
  }
}

struct EmbedsInput {
  Arithmetic arithmetic{"cpu", DType::kF32};
  EncoderContent content;
  PromptTexts texts{"a fox", "a fox"};
  int max_sequence_length = 256;
};

TEST(EmbedsKey, CoversEveryInput) {
  expect_all_matter<EmbedsInput>(
      [](const EmbedsInput& in) { return embeds_key(in.arithmetic, in.content, in.texts, in.max_sequence_length); },
      {[](EmbedsInput& in) { in.arithmetic.device = "reference"; },
       [](EmbedsInput& in) { in.arithmetic.activations = DType::kBF16; },
       [](EmbedsInput& in) { in.content.clip_tokenizer.low = 1; },
       [](EmbedsInput& in) { in.content.t5_tokenizer.low = 1; }, [](EmbedsInput& in) { in.content.clip.low = 1; },
       [](EmbedsInput& in) { in.content.t5.low = 1; }, [](EmbedsInput& in) { in.content.adapters.low = 1; },
       [](EmbedsInput& in) { in.texts.clip = "a red fox"; }, [](EmbedsInput& in) { in.texts.t5 = "a red fox"; },
       [](EmbedsInput& in) {
         in.texts = {"a fo", "xa fox"};
       },
       [](EmbedsInput& in) {
         in.texts = {"", "a foxa fox"};
       },
       [](EmbedsInput& in) { in.max_sequence_length = 512; }});
}

struct ModulationInput {
  ModulationInput() { job.schedule.timesteps = {1000, 500}; }
  Arithmetic arithmetic{"cpu", DType::kF32};
  ModulationContent content;
  Job job;
};

TEST(ModulationKey, CoversEveryInput) {
  expect_all_matter<ModulationInput>(
      [](const ModulationInput& in) { return modulation_key(in.arithmetic, in.content, in.job); },
      {[](ModulationInput& in) { in.arithmetic.device = "reference"; },
       [](ModulationInput& in) { in.arithmetic.activations = DType::kBF16; },
       [](ModulationInput& in) { in.content.embeds.low = 1; }, [](ModulationInput& in) { in.content.weights.low = 1; },
       [](ModulationInput& in) { in.content.adapters.low = 1; },
       [](ModulationInput& in) { in.job.model_dtype = DType::kBF16; },
       [](ModulationInput& in) { in.job.guidance = 3.5; },
       [](ModulationInput& in) { in.job.schedule.timesteps = {1000}; },
       [](ModulationInput& in) {
         in.job.schedule.timesteps = {1000, 500.00003f};
       },
       [](ModulationInput& in) {
         in.job.schedule.timesteps = {500, 1000};
       }});
}

TEST(EmbedsKey, OfAFileIsThatOfItsValues) {
  const std::vector<std::byte> a(8, std::byte{1});
  std::vector<std::byte> b(8, std::byte{2});
  const Digest key = embeds_key(a, b);
  EXPECT_EQ(embeds_key(a, b), key);
  EXPECT_NE(embeds_key(b, a), key);
  EXPECT_NE(embeds_key(std::span(a).first(7), b), key);
  b.back() = std::byte{3};
  EXPECT_NE(embeds_key(a, b), key);
}

}  // namespace
}  // namespace steadyflux
