// What a caller may get wrong on the command line: a word about it, exit code 2, nothing written.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/workspace.h"

namespace steadyflux::e2e {
namespace {

constexpr int kFailure = 1;
constexpr int kBadUsage = 2;

struct BadFlags {
  std::string name;
  std::vector<std::string> flags;
  std::vector<std::string> needles;
};

void PrintTo(const BadFlags& flags, std::ostream* out) { *out << flags.name; }

class BadFlagsTest : public Workspace, public ::testing::WithParamInterface<BadFlags> {};

TEST_P(BadFlagsTest, IsRefusedBeforeAnyWork) {
  const Outcome outcome = generate(GetParam().flags);
  expect_refused(outcome, kBadUsage, {});
  for (const std::string& needle : GetParam().needles) {
    EXPECT_NE(outcome.err.find(needle), std::string::npos) << needle << " is not in: " << outcome.err;
  }
  EXPECT_EQ(outcome.err.find("denoise"), std::string::npos) << outcome.err;
  EXPECT_TRUE(files_out().empty());
}

const BadFlags kBadFlags[] = {
    {"width_not_a_multiple", {"--width", "62", "--height", "32"}, {"width", "62", "multiple"}},
    {"height_not_a_multiple", {"--size", "64x33"}, {"height", "33", "multiple"}},
    {"zero_width", {"--size", "0x64"}, {"width", "0"}},
    {"negative_height", {"--size", "64x-16"}, {"height", "-16"}},
    {"absurd_size", {"--size", "1000000000x1000000000"}, {"width", "1000000000"}},
    {"size_beyond_integers", {"--size", "4294967296x64"}, {"--size", "4294967296x64"}},
    {"size_without_height", {"--size", "64"}, {"--size"}},
    {"size_with_a_tail", {"--size", "64x64x64"}, {"--size", "64x64x64"}},
    {"size_and_width", {"--size", "64x64", "--width", "64"}, {"--size", "--width"}},
    {"zero_steps", {"--steps", "0"}, {"steps", "0"}},
    {"negative_steps", {"--steps", "-1"}, {"steps", "-1"}},
    {"absurd_steps", {"--steps", "1000000000"}, {"steps", "1000000000"}},
    {"steps_not_a_number", {"--steps", "many"}, {"--steps", "many"}},
    {"fractional_steps", {"--steps", "2.5"}, {"--steps", "2.5"}},
    {"zero_count", {"--count", "0"}, {"count", "0"}},
    {"negative_count", {"--count", "-3"}, {"count", "-3"}},
    {"absurd_count", {"--count", "1000000000000"}, {"count", "1000000000000"}},
    {"many_images", {"--count", "2000000000"}, {"count", "2000000000"}},
    {"negative_seed", {"--seed", "-1"}, {"--seed", "-1"}},
    {"seed_beyond_64_bits", {"--seed", "18446744073709551616"}, {"--seed", "18446744073709551616"}},
    {"seed_not_a_number", {"--seed", "lucky"}, {"--seed", "lucky"}},
    {"true_cfg_without_negative", {"--true-cfg", "2"}, {"true_cfg", "negative"}},
    {"negative_without_true_cfg", {"--negative", "blurry"}, {"true_cfg", "negative"}},
    {"negative_2_without_negative", {"--negative-2", "blurry"}, {"negative_2", "negative"}},
    {"true_cfg_below_one", {"--true-cfg", "0.5", "--negative", "x"}, {"true_cfg", "0.5"}},
    {"true_cfg_not_finite", {"--true-cfg", "inf", "--negative", "x"}, {"true_cfg", "inf"}},
    {"guidance_not_a_number", {"--guidance", "nan"}, {"guidance", "nan"}},
    {"guidance_infinite", {"--guidance", "inf"}, {"guidance", "inf"}},
    {"sigma_above_one", {"--sigmas", "1.5,0.5"}, {"sigma", "1.5"}},
    {"sigma_zero", {"--sigmas", "1,0.5,0"}, {"sigma", "0"}},
    {"sigma_not_a_number", {"--sigmas", "1,nan"}, {"sigma", "nan"}},
    {"sigma_not_numeric", {"--sigmas", "1,low"}, {"--sigmas", "low"}},
    {"sigmas_increasing", {"--sigmas", "0.5,0.6"}, {"sigma", "0.5", "0.6"}},
    {"sigmas_and_other_steps", {"--sigmas", "1,0.5", "--steps", "3"}, {"steps", "3", "sigmas"}},
    {"prompt_not_utf8", {"--prompt", "caf\xe9"}, {"UTF-8", "byte 3"}},
    {"second_prompt_not_utf8", {"--prompt-2", "\xc0\xaf"}, {"UTF-8"}},
    {"negative_not_utf8", {"--true-cfg", "2", "--negative", "\xed\xa0\x80"}, {"UTF-8"}},
    {"no_text_length", {"--max-sequence-length", "0"}, {"max_sequence_length", "0"}},
    {"absurd_text_length", {"--max-sequence-length", "1000000"}, {"max_sequence_length", "1000000"}},
    {"negative_threads", {"--threads", "-1"}, {"--threads", "-1"}},
    {"absurd_threads", {"--threads", "1000000"}, {"--threads", "1000000"}},
    {"unknown_dtype", {"--dtype", "f8"}, {"--dtype", "f8"}},
    {"unknown_noise", {"--noise", "f8"}, {"--noise", "f8"}},
    {"unknown_device", {"--device", "gpu"}, {"--device", "'gpu'", "cuda:N"}},
    {"device_without_number", {"--device", "cuda:"}, {"--device", "'cuda:'"}},
    {"negative_device", {"--device", "cuda:-1"}, {"--device", "'cuda:-1'"}},
    {"device_not_a_number", {"--device", "cuda:1st"}, {"--device", "'cuda:1st'"}},
    {"unknown_flag", {"--fast"}, {"--fast"}},
    {"flag_without_value", {"--guidance"}, {"--guidance"}},
    {"no_name_of_a_transformer", {"--transformer", ""}, {"--transformer", "empty"}},
    {"no_name_of_an_encoder", {"--text-encoder-2", ""}, {"--text-encoder-2", "empty"}},
    {"output_not_a_png", {"--out", "picture.jpg"}, {"--out", "picture.jpg", ".png"}},
    {"output_with_unknown_place", {"--out", "picture-%d.png"}, {"--out", "picture-%d.png"}},
};

INSTANTIATE_TEST_SUITE_P(Generate, BadFlagsTest, ::testing::ValuesIn(kBadFlags),
                         [](const auto& flags) { return flags.param.name; });

class BadCommandTest : public Workspace {};

TEST_F(BadCommandTest, NoPromptIsRefused) {
  expect_refused(run({"generate", "--model", model().string(), "--size", "64x32"}), kBadUsage, {"prompt"});
}

TEST_F(BadCommandTest, AnUnknownSubcommandIsNamed) { expect_refused(run({"paint"}), kBadUsage, {"paint"}); }

TEST_F(BadCommandTest, NoSubcommandIsRefused) { expect_refused(run({}), kBadUsage, {"subcommand"}); }

TEST_F(BadCommandTest, EncodeTakesOnePrompt) {
  expect_refused(run({"encode", "--model", model().string(), "--prompt", "a", "--prompt", "b", "--out",
                      (out() / "embeds.safetensors").string()}),
                 kBadUsage, {"one prompt"});
  EXPECT_TRUE(files_out().empty());
}

TEST_F(BadCommandTest, EncodeComputesInNoIntegers) {
  expect_refused(run({"encode", "--model", model().string(), "--prompt", "a", "--compute", "int8", "--out",
                      (out() / "embeds.safetensors").string()}),
                 kBadUsage, {"int8"});
}

TEST_F(BadCommandTest, EncodeTakesNoAutoencoder) {
  expect_refused(run({"encode", "--model", model().string(), "--prompt", "a", "--vae", "vae.safetensors", "--out",
                      (out() / "embeds.safetensors").string()}),
                 kBadUsage, {"--vae"});
}

TEST_F(BadCommandTest, EncodersHaveNoEffectOnEmbeddings) {
  for (const char* command : {"generate", "plan"}) {
    expect_refused(run({command, "--model", model().string(), "--embeds", "e.safetensors", "--text-encoder", "c.gguf"}),
                   kBadUsage, {"--text-encoder", "--embeds"});
  }
}

// Whether the build has no CUDA or the machine no such card.
TEST_F(BadCommandTest, ACardThatCannotBeHadIsNeverReplacedByTheProcessor) {
  const Outcome outcome = generate({"--device", "cuda:999"});
  expect_refused(outcome, outcome.exit_code, {"CUDA"});
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_TRUE(files_out().empty());
}

TEST_F(BadCommandTest, AModelThatIsNowhereIsNamedWithThePlacesLookedIn) {
  expect_refused(run({"generate", "--model", (root() / "gone").string(), "--prompt", "a"}), kFailure,
                 {(root() / "gone").string()});
  expect_refused(
      run({"generate", "--model", "nobody/nothing", "--prompt", "a"}, {.environment = {"HF_HUB_CACHE=/gone"}}),
      kFailure, {"nobody/nothing", "/gone"});
}

TEST_F(BadCommandTest, AModelThatIsAFileIsRefused) {
  const auto file = model() / "model_index.json";
  expect_refused(run({"generate", "--model", file.string(), "--prompt", "a"}), kFailure, {file.string(), "directory"});
}

class UnguidedModelTest : public Workspace {
 protected:
  UnguidedModelTest() : Workspace("bf16_weights") {}
};

TEST_F(UnguidedModelTest, GuidanceWouldHaveNoEffect) {
  expect_refused(generate({"--guidance", "3"}), kBadUsage, {"guidance", "no effect", "true_cfg"});
  EXPECT_TRUE(files_out().empty());
}

}  // namespace
}  // namespace steadyflux::e2e
