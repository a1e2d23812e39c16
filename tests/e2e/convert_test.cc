// Models stored in other types, made and run by the command.
#include <gtest/gtest.h>

#include <signal.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "e2e/workspace.h"
#include "io/png.h"

namespace steadyflux::e2e {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kSpark = STEADYFLUX_SOURCE "/models/spark";

class ConvertTest : public Workspace {
 protected:
  Outcome convert(const std::vector<std::string>& more, const Surroundings& surroundings = {}) const {
    std::vector<std::string> arguments = {"convert", "--model", kSpark, "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments, surroundings);
  }

  // A model of spark's weights in another type.
  std::string converted(const std::string& type) const {
    const fs::path made = root() / type;
    expect_done(convert({"--to", type, "--out", made.string()}));
    return made.string();
  }
  // One component of spark in a file.
  std::string file_of(const std::string& name, const std::vector<std::string>& flags) const {
    const fs::path made = root() / name;
    std::vector<std::string> all = {"--out", made.string()};
    all.insert(all.end(), flags.begin(), flags.end());
    expect_done(convert(all));
    return made.string();
  }

  std::vector<std::uint8_t> picture(const std::string& model, const std::vector<std::string>& flags = {},
                                    const std::string& cache = "off") const {
    const fs::path path = out() / "picture.png";
    std::vector<std::string> arguments = {
        "generate", "--model", model,   "--prompt",    "a red cube on the left of a blue sphere",
        "--seed",   "7",       "--out", path.string(), "--prompt-cache",
        cache,      "--quiet"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    expect_done(run(arguments));
    return read_png(*open_file(path)).image.pixels;
  }

  static double psnr(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
    EXPECT_EQ(a.size(), b.size());
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
    constexpr double kPeak = 255;
    return sum > 0 ? 10 * std::log10(kPeak * kPeak * static_cast<double>(a.size()) / sum)
                   : std::numeric_limits<double>::infinity();
  }
};

TEST_F(ConvertTest, BflsLayoutGivesTheBitsOfDiffusers) {
  const std::string gguf = file_of("flux.gguf", {"--to", "bf16"});
  EXPECT_EQ(picture(kSpark, {"--transformer", gguf}), picture(kSpark));
}

TEST_F(ConvertTest, PicturesOfQuantisedModelsAreNear) {
  const std::vector<std::uint8_t> expected = picture(kSpark);
  // What is asked of the median over many prompts (40 dB of q8_0, 32 of i8, 25 of four bits) less 7 dB for one picture.
  for (const auto& [type, bound] :
       {std::pair{"q8_0", 33.0}, {"i8", 25.0}, {"q6_k", 31.0}, {"q4_k", 18.0}, {"q4_0", 18.0}, {"nf4", 18.0}}) {
    const double found = psnr(picture(converted(type)), expected);
    EXPECT_GE(found, bound) << type;
    EXPECT_LT(found, 70) << type << ": are these really other weights?";
  }
}

TEST_F(ConvertTest, QuantisedWeightsGiveTheSameBitsWhereverTheyAre) {
  for (const char* type : {"q4_0", "nf4", "i8"}) {
    SCOPED_TRACE(type);
    const std::string model = converted(type);
    const std::vector<std::uint8_t> resident = picture(model, {"--threads", "2"});
    const Outcome refused = run({"plan", "--model", model, "--prompt", "a", "--ram", "1M", "--threads", "2", "--json"});
    const auto least = Json::parse(refused.out).at("does_not_fit").at("needed_bytes").get<std::uint64_t>();
    EXPECT_EQ(picture(model, {"--threads", "2", "--ram", std::to_string(least)}), resident);
    EXPECT_EQ(picture(model, {"--threads", "1"}), resident);
    EXPECT_EQ(picture(model, {"--threads", "2", "--device", "simulated", "--vram", "80M"}), resident);
  }
}

// Modulation is computed in floating point, whatever the blocks multiply in; its weights stay as they are.
TEST_F(ConvertTest, WeightsStoredAsI8GiveTheBitsOfComputingInIntegers) {
  const std::string i8 = file_of("i8.safetensors", {"--to", "i8", "--tensor-type", "*.linear.weight=bf16"});
  EXPECT_EQ(picture(kSpark, {"--transformer", i8, "--compute", "int8"}), picture(kSpark, {"--compute", "int8"}));
}

TEST_F(ConvertTest, SingleFilesTakeThePlaceOfComponents) {
  const std::string model = converted("q4_0");
  const std::string transformer = file_of("flux.gguf", {"--to", "q4_0"});
  const std::string t5 = file_of("t5.gguf", {"--to", "q4_0", "--component", "text_encoder_2"});
  EXPECT_EQ(picture(kSpark, {"--transformer", transformer, "--text-encoder-2", t5}), picture(model));
  const std::string clip = std::string(kSpark) + "/text_encoder/model.safetensors";
  const std::string vae = std::string(kSpark) + "/vae/diffusion_pytorch_model.safetensors";
  EXPECT_EQ(picture(kSpark, {"--text-encoder", clip, "--vae", vae}), picture(kSpark));

  const Outcome plan = run({"plan", "--model", kSpark, "--transformer", transformer, "--prompt", "a", "--json"});
  expect_done(plan);
  const Outcome whole = run({"plan", "--model", kSpark, "--prompt", "a", "--json"});
  const auto read_bytes = [](const Outcome& outcome) {
    std::uint64_t sum = 0;
    const Json plan_json = Json::parse(outcome.out);
    for (const Json& phase : plan_json.at("phases")) sum += phase.at("read_bytes").get<std::uint64_t>();
    return sum;
  };
  EXPECT_LT(read_bytes(plan), read_bytes(whole) * 3 / 4);
}

TEST_F(ConvertTest, ATransformerOfTheOtherKindIsWarnedOf) {
  const std::string gguf = file_of("flux.gguf", {"--to", "q8_0"});
  const fs::path other = root() / "other";
  fs::copy(kSpark, other, fs::copy_options::recursive);
  const fs::path config = other / "transformer" / "config.json";
  Json changed = Json::parse(read_text(config));
  changed["guidance_embeds"] = true;
  write_text(config, changed.dump());
  const auto words = [&](const std::string& model) {
    const Outcome outcome =
        run({"generate", "--model", model, "--transformer", gguf, "--prompt", "a", "--steps", "1", "--size", "64x64",
             "--out", (out() / "picture.png").string(), "--prompt-cache", "off"});
    expect_done(outcome);
    return outcome.err;
  };
  const std::string warned = words(other.string());
  EXPECT_NE(warned.find("flux.gguf has no guidance input (schnell), but"), std::string::npos) << warned;
  EXPECT_NE(warned.find("noise levels and defaults are those of " + other.string()), std::string::npos) << warned;
  EXPECT_EQ(words(kSpark).find("guidance"), std::string::npos);
}

TEST_F(ConvertTest, InspectTellsWhatIsInThem) {
  const std::string gguf = file_of("flux.gguf", {"--to", "q4_k"});
  const Outcome file = run({"inspect", gguf});
  expect_done(file);
  for (const char* words :
       {"GGUF version 3", "q4_k", "general.architecture = flux", "double_blocks.0.img_mlp.0.weight"}) {
    EXPECT_NE(file.out.find(words), std::string::npos) << words;
  }
  const Outcome json = run({"inspect", gguf, "--json"});
  EXPECT_GT(Json::parse(json.out).at("bytes_by_dtype").at("q4_k").get<std::uint64_t>(), 1'000'000u);
  const Outcome model = run({"inspect", kSpark, "--transformer", gguf, "--json"});
  expect_done(model);
  EXPECT_TRUE(Json::parse(model.out).at("components")[0].at("bytes_by_dtype").contains("q4_k")) << model.out;
  expect_refused(run({"inspect", gguf, "--vae", gguf}), 2, {"no components"});
}

TEST_F(ConvertTest, ThePromptCacheKnowsAnotherTransformer) {
  const std::string first = file_of("first.gguf", {"--to", "q8_0"});
  const std::string second = file_of("second.gguf", {"--to", "q4_0"});
  const auto with = [&](const std::string& file) {
    return picture(kSpark, {"--transformer", file}, (root() / "cache").string());
  };
  const auto expected = picture(kSpark, {"--transformer", second});
  const fs::path used = root() / "used.gguf";
  fs::copy_file(first, used);
  with(used.string());
  with(used.string());
  fs::copy_file(second, used, fs::copy_options::overwrite_existing);
  EXPECT_EQ(with(used.string()), expected);
}

TEST_F(ConvertTest, AReportHoldsTheErrors) {
  const fs::path report = root() / "report.json";
  const Outcome outcome = run({"convert", "--model", kSpark, "--to", "q4_0", "--out", (out() / "flux.gguf").string(),
                               "--report", report.string()});
  expect_done(outcome);
  EXPECT_EQ(outcome.out, (out() / "flux.gguf").string() + "\n");
  EXPECT_NE(outcome.err.find("largest errors:"), std::string::npos) << outcome.err;
  const Json json = Json::parse(read_text(report));
  EXPECT_GT(json.at("types").at("q4_0").at("relative_rms_error").get<double>(), 0.01);
}

// ---- refused -------------------------------------------------------------------------------------------------------

TEST_F(ConvertTest, BadUsageIsRefused) {
  expect_refused(convert({"--to", "q9", "--out", (out() / "a").string()}), 2, {"'q9' is not a type to convert to"});
  expect_refused(convert({"--to", "q8_0", "--out", root().string()}), 2, {"is there already"});
  expect_refused(convert({"--to", "q8_0", "--out", (out() / "a").string(), "--tensor-type", "a=q8_0"}), 2,
                 {"matches no weight"});
  expect_refused(convert({"--to", "q8_0", "--out", (out() / "a").string(), "--ram", "1M"}), 3, {"needs"});
  expect_refused(convert({"--to", "q8_0", "--out", (out() / "a").string(), "--ram", "0"}), 2, {"--ram"});
  expect_refused(convert({"--to", "q8_0", "--out", ""}), 2, {"an empty name"});
  expect_refused(convert({"--to", "q8_0", "--out", (out() / "none" / "a.gguf").string()}), 1,
                 {"cannot write", "/a.gguf"});
  const std::string both = (out() / "a.gguf").string();
  expect_refused(convert({"--to", "q8_0", "--out", both, "--report", both}), 2, {"the same file"});
  EXPECT_TRUE(files_out().empty());
}

TEST_F(ConvertTest, AFullDiskLeavesNothing) {
  constexpr std::uint64_t kMaxFileBytes = 1 << 20;
  for (const char* name : {"flux.gguf", "model"}) {
    expect_refused(convert({"--to", "q8_0", "--out", (out() / name).string()}, {.max_file_bytes = kMaxFileBytes}), 1,
                   {"cannot write", name});
    EXPECT_TRUE(files_out().empty());
  }
}

TEST_F(ConvertTest, AnInterruptLeavesNothing) {
  // Enough blocks that it lasts a while.
  const std::string large = (root() / "large").string();
  expect_done(run({"bench", "make-checkpoint", "--like", kSpark, "--out", large, "--double", "40", "--single", "40"}));
  Program program({"convert", "--model", large, "--to", "q4_k", "--out", (out() / "model").string(), "--threads", "1"});
  ASSERT_TRUE(program.wait_for_words("10 % converted"));
  program.send(SIGINT);
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_TRUE(outcome.err.ends_with("interrupted; nothing was written\n")) << outcome.err;
  EXPECT_TRUE(files_out().empty());
}

TEST_F(ConvertTest, ADamagedFileIsRefusedByName) {
  const std::string gguf = file_of("flux.gguf", {"--to", "q8_0"});
  const std::string whole = read_text(gguf);
  const auto refused = [&](std::string_view needle) {
    expect_refused(run({"generate", "--model", kSpark, "--transformer", gguf, "--prompt", "a", "--out",
                        (out() / "picture.png").string()}),
                   1, {"flux.gguf", needle});
  };
  write_text(gguf, whole.substr(0, whole.size() - 5000));
  refused("truncated");
  std::string renamed = whole;
  renamed.replace(renamed.find("double_blocks.0.img_mlp.0.weight"), 13, "couble_blocks");
  write_text(gguf, renamed);
  refused("couble_blocks.0.img_mlp.0.weight");
  write_text(gguf, "GGUF");
  refused("truncated");
}

}  // namespace
}  // namespace steadyflux::e2e
