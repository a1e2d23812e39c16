// What the command promises of its results: the same bits every time, files that carry their story, words and data
// apart.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/workspace.h"
#include "io/png.h"

namespace steadyflux::e2e {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

class BehaviourTest : public Workspace {
 protected:
  explicit BehaviourTest(std::string_view golden_case = "double_only") : Workspace(golden_case) {}

  // Makes pictures that must succeed; the bytes of out/<name>.
  std::string picture(const std::string& name, const std::vector<std::string>& flags) const {
    std::vector<std::string> all = flags;
    all.insert(all.end(), {"--out", (out() / name).string()});
    expect_done(generate(all));
    return read_text(out() / name);
  }

  std::vector<std::uint8_t> pixels(const std::string& name) const {
    return read_png(*open_file(out() / name)).image.pixels;
  }

  std::string parameters(const std::string& name) const {
    for (const PngText& text : read_png(*open_file(out() / name)).texts) {
      if (text.keyword == "parameters") return text.text;
    }
    return {};
  }
};

// ---- the same bits -------------------------------------------------------------------------------------------------

TEST_F(BehaviourTest, TheSameRequestGivesTheSameFile) {
  const std::string first = picture("first.png", {});
  EXPECT_EQ(picture("second.png", {}), first);
  EXPECT_NE(picture("other_seed.png", {"--seed", "8"}), first);
  EXPECT_NE(pixels("other_seed.png"), pixels("first.png"));
  picture("other_prompt.png", {"--prompt", "a white river"});
  EXPECT_NE(pixels("other_prompt.png"), pixels("first.png"));
}

TEST_F(BehaviourTest, TheNumberOfThreadsChangesNoBit) {
  const std::string one = picture("one.png", {"--threads", "1"});
  EXPECT_EQ(picture("two.png", {"--threads", "2"}), one);
  EXPECT_EQ(picture("seven.png", {"--threads", "7"}), one);
}

TEST_F(BehaviourTest, IntegersGiveTheSameBitsOnAnyNumberOfThreads) {
  const std::string one = picture("one.png", {"--compute", "int8", "--threads", "1"});
  EXPECT_EQ(picture("two.png", {"--compute", "int8", "--threads", "2"}), one);
  picture("float.png", {});
  EXPECT_NE(pixels("float.png"), pixels("one.png"));
}

TEST_F(BehaviourTest, AnImageOfABatchIsTheImageAlone) {
  expect_done(generate({"--seed", "40", "--count", "5", "--out", (out() / "batch-%s.png").string()}));
  EXPECT_EQ(files_out(),
            (std::vector<std::string>{"batch-40.png", "batch-41.png", "batch-42.png", "batch-43.png", "batch-44.png"}));
  EXPECT_EQ(picture("alone.png", {"--seed", "42"}), read_text(out() / "batch-42.png"));
}

TEST_F(BehaviourTest, TwoPromptsInOneRunAreTwoRuns) {
  expect_done(run({"generate", "--model", model().string(), "--size", "64x32", "--seed", "7", "--steps", "2",
                   "--prompt", "A red Fox", "--prompt", "a white river", "--out", (out() / "both-%i.png").string()}));
  EXPECT_EQ(picture("fox.png", {}), read_text(out() / "both-0.png"));
  EXPECT_EQ(picture("river.png", {"--prompt", "a white river"}), read_text(out() / "both-1.png"));
}

TEST_F(BehaviourTest, ASeedIsPrintedInTheNameWhenNoneIsGiven) {
  const Outcome outcome = run({"generate", "--model", model().string(), "--prompt", "a", "--size", "64x32", "--steps",
                               "1", "--out", (out() / "%s.png").string()});
  expect_done(outcome);
  ASSERT_EQ(files_out().size(), 1u);
  const std::string name = files_out()[0];
  EXPECT_NE(parameters(name).find("Seed: " + name.substr(0, name.size() - 4)), std::string::npos) << name;
}

TEST_F(BehaviourTest, EmbeddingsOfEncodeGiveTheBitsOfThePrompt) {
  const fs::path embeds = root() / "embeds.safetensors";
  const Outcome encoded = run({"encode", "--model", model().string(), "--prompt", "A red Fox", "--max-sequence-length",
                               "40", "--dtype", "f32", "--out", embeds.string()});
  expect_done(encoded);
  EXPECT_EQ(encoded.out, embeds.string() + "\n");
  picture("prompt.png", {"--max-sequence-length", "40", "--dtype", "f32"});
  picture("embeds.png", {"--embeds", embeds.string(), "--dtype", "f32"});
  EXPECT_EQ(pixels("embeds.png"), pixels("prompt.png"));
}

TEST_F(BehaviourTest, LatentsGoOutAndComeIn) {
  const fs::path latents = root() / "latents.safetensors";
  picture("first.png", {"--latents-out", latents.string()});
  const TakenApart parts = take_apart(latents);
  EXPECT_EQ(parts.header["latents"]["dtype"], "F32");
  EXPECT_EQ(parts.header["latents"]["shape"][0], 1);
  // Started from where another run ended, the seed no longer matters.
  picture("again.png", {"--latents", latents.string(), "--seed", "1"});
  picture("and_again.png", {"--latents", latents.string(), "--seed", "2"});
  EXPECT_EQ(pixels("again.png"), pixels("and_again.png"));
  EXPECT_NE(pixels("again.png"), pixels("first.png"));
}

TEST_F(BehaviourTest, OwnSigmasEqualToTheDefaultsChangeNothing) {
  const std::string usual = picture("usual.png", {"--steps", "4"});
  EXPECT_EQ(picture("own.png", {"--sigmas", "1,0.75,0.5,0.25"}), usual);
}

class GuidedTest : public BehaviourTest {
 protected:
  GuidedTest() : BehaviourTest("guided_cfg_sharded") {}
};

TEST_F(GuidedTest, TrueCfgIsTheSameInABatch) {
  picture("alone.png", {"--true-cfg", "2.5", "--negative", "blurry", "--seed", "8"});
  expect_done(generate({"--true-cfg", "2.5", "--negative", "blurry", "--seed", "7", "--count", "2", "--out",
                        (out() / "batch-%s.png").string()}));
  EXPECT_EQ(read_text(out() / "alone.png"), read_text(out() / "batch-8.png"));
  EXPECT_NE(parameters("alone.png").find("\nNegative prompt: blurry\n"), std::string::npos);
  EXPECT_NE(parameters("alone.png").find("CFG scale: 2.5"), std::string::npos);
}

// ---- files ---------------------------------------------------------------------------------------------------------

TEST_F(BehaviourTest, ThePictureCarriesWhatMadeIt) {
  picture("picture.png", {"--prompt", "Ein Fuchs – 日本 🦊", "--steps", "3", "--guidance", "4.5"});
  const PngImage png = read_png(*open_file(out() / "picture.png"));
  EXPECT_EQ(png.image.width, 64);
  EXPECT_EQ(png.image.height, 32);
  const std::string text = parameters("picture.png");
  EXPECT_TRUE(text.starts_with("Ein Fuchs – 日本 🦊\n")) << text;
  for (const char* part :
       {"Steps: 3", "Seed: 7", "Size: 64x32", "Distilled CFG Scale: 4.5", "Model: model", "Version: steadyflux"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
  }
}

TEST_F(BehaviourTest, TheReportHoldsPhasesStepsAndImages) {
  const fs::path file = root() / "report.json";
  expect_done(generate({"--steps", "3", "--count", "2", "--report", file.string()}));
  const Json report = Json::parse(read_text(file));
  EXPECT_TRUE(report.at("version").is_string());
  EXPECT_FALSE(report.at("cancelled").get<bool>());
  std::vector<std::string> phases;
  for (const Json& phase : report.at("phases")) {
    phases.push_back(phase.at("name"));
    for (const char* key : {"planned_peak_bytes", "actual_peak_bytes", "read_bytes"}) {
      EXPECT_GT(phase.at(key).get<std::uint64_t>(), 0u) << phase.at("name") << ' ' << key;
    }
    EXPECT_GT(phase.at("seconds").get<double>(), 0) << phase.at("name");
    const Json& first_class = phase.at("operations").at(0);
    EXPECT_EQ(first_class.at("name"), "linear") << phase.at("name");
    EXPECT_GT(first_class.at("calls").get<int>(), 0);
    EXPECT_GT(first_class.at("seconds").get<double>(), 0);
    EXPECT_LT(first_class.at("seconds").get<double>(), phase.at("seconds").get<double>());
    EXPECT_GT(first_class.at("flops").get<double>(), 0);
    for (const char* key : {"major_faults", "swap_in_bytes", "swap_out_bytes"}) {
      EXPECT_TRUE(phase.at(key).is_number_unsigned()) << key;
    }
  }
  EXPECT_EQ(phases, (std::vector<std::string>{"encode", "modulate", "denoise", "decode"}));
  ASSERT_EQ(report.at("steps").size(), 6u);  // of one picture after the other
  for (const Json& step : report.at("steps")) EXPECT_GT(step.at("seconds").get<double>(), 0);
  ASSERT_EQ(report.at("images").size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    const Json& image = report.at("images")[i];
    EXPECT_EQ(image.at("seed"), 7 + i);
    EXPECT_EQ(image.at("width"), 64);
    EXPECT_EQ(image.at("height"), 32);
    EXPECT_TRUE(fs::exists(image.at("path").get<std::string>())) << image;
  }
}

TEST_F(BehaviourTest, AWarningOfACutPromptIsGivenAndReported) {
  const fs::path file = root() / "report.json";
  std::string prompt;
  for (int i = 0; i < 200; ++i) prompt += "red fox ";
  const Outcome outcome =
      generate({"--prompt", prompt, "--max-sequence-length", "16", "--quiet", "--report", file.string()});
  expect_done(outcome);
  EXPECT_NE(outcome.err.find("warning: T5 reads 16 tokens"), std::string::npos) << outcome.err;
  EXPECT_FALSE(Json::parse(read_text(file)).at("warnings").empty());
}

// ---- words and data ------------------------------------------------------------------------------------------------

TEST_F(BehaviourTest, DataIsOnStdoutAndWordsAreOnStderr) {
  const Outcome outcome = generate({"--steps", "3"});
  expect_done(outcome);
  EXPECT_EQ(outcome.out, (out() / "picture.png").string() + "\n");
  for (const char* word : {"plan: 64x32, 3 steps", "encode", "modulate", "denoise", "step 1/3", "step 3/3", "decode"}) {
    EXPECT_NE(outcome.err.find(word), std::string::npos) << word << " is not in: " << outcome.err;
  }
  // Not a terminal: whole lines, nothing overwritten.
  EXPECT_EQ(outcome.err.find('\r'), std::string::npos);
  EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
  EXPECT_TRUE(outcome.err.ends_with('\n'));
}

TEST_F(BehaviourTest, QuietIsSilent) {
  const Outcome outcome = generate({"--quiet"});
  expect_done(outcome);
  EXPECT_EQ(outcome.err, "");
}

// ---- plan ----------------------------------------------------------------------------------------------------------

TEST_F(BehaviourTest, APlanReadsNoWeights) {
  const std::vector<std::string> plan = {"plan", "--model", model().string(), "--size", "64x32", "--json"};
  const Outcome before = run(plan);
  expect_done(before);
  // Headers and sizes stay, every weight is gone: the files have holes in their place.
  for (const auto& entry : fs::recursive_directory_iterator(model())) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto size = fs::file_size(entry.path());
    const std::string header = read_text(entry.path()).substr(0, size - take_apart(entry.path()).data.size());
    write_text(entry.path(), header);
    fs::resize_file(entry.path(), size);
  }
  const Outcome after = run(plan);
  expect_done(after);
  EXPECT_EQ(after.out, before.out);
  EXPECT_EQ(after.err, "");
}

TEST_F(BehaviourTest, APlanIsATableOrJson) {
  const Outcome table = run({"plan", "--model", model().string(), "--size", "64x32"});
  expect_done(table);
  for (const char* word : {"encode", "modulate", "denoise", "decode", "peak"}) {
    EXPECT_NE(table.out.find(word), std::string::npos) << table.out;
  }
  const Outcome json = run({"plan", "--model", model().string(), "--size", "64x32", "--steps", "3", "--json"});
  expect_done(json);
  const Json plan = Json::parse(json.out);
  EXPECT_EQ(plan.at("width"), 64);
  EXPECT_EQ(plan.at("height"), 32);
  EXPECT_EQ(plan.at("steps"), 3);
  std::uint64_t largest = 0;
  for (const Json& phase : plan.at("phases")) {
    largest = std::max(largest, phase.at("planned_peak_bytes").get<std::uint64_t>());
  }
  EXPECT_EQ(plan.at("peak_bytes").get<std::uint64_t>(), largest);
}

// The simulated device has 8 GiB, and this picture needs more.
TEST_F(BehaviourTest, AnAutomaticBudgetOfDeviceMemoryLeavesAReserve) {
  const Outcome outcome = run({"plan", "--model", model().string(), "--size", "16384x16384", "--decode", "whole",
                               "--device", "simulated", "--vram", "auto", "--json"});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out).at("does_not_fit").at("vram_bytes"), std::uint64_t{7680} << 20);
  expect_refused(run({"plan", "--model", model().string(), "--vram", "auto"}), 2, {"device memory"});
}

TEST_F(BehaviourTest, APlanMatchesWhatGeneratePlans) {
  const fs::path file = root() / "report.json";
  expect_done(generate({"--threads", "2", "--report", file.string()}));
  const Outcome outcome =
      run({"plan", "--model", model().string(), "--size", "64x32", "--steps", "2", "--threads", "2", "--json"});
  const Json plan = Json::parse(outcome.out);
  const Json report = Json::parse(read_text(file));
  ASSERT_EQ(plan.at("phases").size(), report.at("phases").size());
  for (std::size_t i = 0; i < plan.at("phases").size(); ++i) {
    EXPECT_EQ(plan.at("phases")[i].at("planned_peak_bytes"), report.at("phases")[i].at("planned_peak_bytes"));
  }
}

}  // namespace
}  // namespace steadyflux::e2e
