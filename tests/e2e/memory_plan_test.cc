// The plan against the process: what each phase really held, as the report says, is never more than planned, and the
// plan is not padded: it is within 5 % or 8 MiB of the truth.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "e2e/workspace.h"

namespace steadyflux::e2e {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kMiB = 1024.0 * 1024.0;

class MemoryPlanTest : public Workspace {
 protected:
  void expect_plan_holds(const fs::path& model_dir, const std::string& size, const std::string& threads,
                         const std::vector<std::string>& more = {}) const {
    SCOPED_TRACE(model_dir.filename().string() + " " + size + ", " + threads + " threads");
    const fs::path file = root() / "report.json";
    std::vector<std::string> flags = {"--model", model_dir.string(), "--size", size,       "--threads",
                                      threads,   "--steps",          "2",      "--report", file.string()};
    flags.insert(flags.end(), more.begin(), more.end());
    std::vector<std::string> arguments = {"generate", "--prompt", "a red cube on a blue cylinder", "--seed",
                                          "1",        "--out",    (out() / "%s.png").string(),     "--quiet"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    expect_done(run(arguments));
    if (HasFailure()) return;
    const Json report = Json::parse(read_text(file));
    for (const Json& phase : report.at("phases")) check_phase(phase);
  }

 private:
  static void check_phase(const Json& phase) {
    const auto planned = phase.at("planned_peak_bytes").get<double>();
    const auto actual = phase.at("actual_peak_bytes").get<double>();
    const std::string name = phase.at("name");
    std::printf("  %-9s planned %8.2f MiB, actual %8.2f MiB\n", name.c_str(), planned / kMiB, actual / kMiB);
    EXPECT_LE(actual, planned) << name;
    EXPECT_GE(actual, planned - std::max(0.05 * planned, 8 * kMiB)) << name;
  }
};

constexpr const char* kThreads[] = {"1", "2", "7"};

TEST_F(MemoryPlanTest, HoldsForATinyModel) {
  for (const char* threads : kThreads) expect_plan_holds(model(), "64x32", threads);
  expect_plan_holds(model(), "512x512", "2");
  expect_plan_holds(model(), "64x32", "2", {"--count", "8"});
}

TEST_F(MemoryPlanTest, HoldsForSpark) {
  const fs::path spark = fs::path(STEADYFLUX_SOURCE) / "models/spark";
  for (const char* threads : kThreads) expect_plan_holds(spark, "128x128", threads);
  expect_plan_holds(spark, "256x256", "2");
  expect_plan_holds(spark, "128x128", "2", {"--dtype", "bf16"});
}

// A checkpoint of a few hundred MiB in the real layout: wide enough that weights, activations and scratch all count.
class MidSizeMemoryPlanTest : public MemoryPlanTest {
 protected:
  fs::path make_checkpoint(const char* dtype) const {
    fs::path out = root() / (std::string("mid_") + dtype);
    edit_json(model() / "transformer/config.json", [](Json& json) {
      json["num_attention_heads"] = 12;
      json["attention_head_dim"] = 64;
      json["axes_dims_rope"] = {8, 28, 28};
      json["joint_attention_dim"] = 768;
      json["in_channels"] = 64;
    });
    edit_json(model() / "text_encoder_2/config.json", [](Json& json) {
      json["d_model"] = 768;
      json["d_kv"] = 64;
      json["num_heads"] = 12;
      json["d_ff"] = 2048;
    });
    edit_json(model() / "vae/config.json", [](Json& json) {
      json["latent_channels"] = 16;
      json["block_out_channels"] = {32, 64, 128};
      json["norm_num_groups"] = 16;
    });
    expect_done(run({"bench", "make-checkpoint", "--like", model().string(), "--out", out.string(), "--double", "2",
                     "--single", "2", "--t5-layers", "3", "--dtype", dtype}));
    return out;
  }
};

TEST_F(MidSizeMemoryPlanTest, HoldsInBf16) {
  const fs::path checkpoint = make_checkpoint("bf16");
  for (const char* threads : kThreads) expect_plan_holds(checkpoint, "128x128", threads);
  expect_plan_holds(checkpoint, "256x192", "2");
  expect_plan_holds(checkpoint, "128x128", "2", {"--count", "3"});
}

TEST_F(MidSizeMemoryPlanTest, HoldsInF32) {
  const fs::path checkpoint = make_checkpoint("f32");
  for (const char* threads : kThreads) expect_plan_holds(checkpoint, "128x128", threads);
  expect_plan_holds(checkpoint, "128x128", "2", {"--dtype", "bf16"});
}

}  // namespace
}  // namespace steadyflux::e2e
