// The disk, the system's memory or the heap fails at any one call: the command says so and leaves nothing half-written.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "e2e/workspace.h"

namespace steadyflux::e2e {
namespace {

namespace fs = std::filesystem;

constexpr int kDone = 0;
constexpr int kFailure = 1;
constexpr int kDoesNotFit = 3;

// More blocks than the golden model has, so that a small budget streams them.
class FaultsTest : public Workspace {
 protected:
  FaultsTest() : Workspace("guided_cfg_sharded") {
    make_checkpoint("4", "6");
    smallest_budget_ = budget_that_streams();
  }

  void make_checkpoint(const char* double_blocks, const char* single_blocks) const {
    fs::remove_all(checkpoint());
    expect_done(run({"bench", "make-checkpoint", "--like", model().string(), "--out", checkpoint().string(), "--double",
                     double_blocks, "--single", single_blocks, "--t5-layers", "6"}));
  }

  fs::path checkpoint() const { return root() / "blocks"; }

  // As the refusal of an impossible budget states it.
  std::string budget_that_streams(const char* steps = "2") const {
    const Outcome outcome =
        run({"plan", "--model", checkpoint().string(), "--size", "64x32", "--steps", steps, "--ram", "1M", "--json"});
    EXPECT_EQ(outcome.exit_code, kDoesNotFit) << outcome.err;
    const auto json = nlohmann::json::parse(outcome.out);
    return std::to_string(json.at("does_not_fit").at("needed_bytes").get<std::uint64_t>());
  }

  Outcome generate_with(const std::string& fault, bool streamed) const {
    std::vector<std::string> arguments = {"generate",
                                          "--model",
                                          checkpoint().string(),
                                          "--prompt",
                                          "a",
                                          "--size",
                                          "64x32",
                                          "--steps",
                                          "2",
                                          "--seed",
                                          "7",
                                          "--threads",
                                          "2",
                                          "--out",
                                          (out() / "picture.png").string(),
                                          "--latents-out",
                                          (out() / "latents").string(),
                                          "--report",
                                          (out() / "report.json").string()};
    if (streamed) arguments.insert(arguments.end(), {"--ram", smallest_budget_});
    return run(arguments,
               {.environment = {std::string("LD_PRELOAD=") + STEADYFLUX_FAULTS, "STEADYFLUX_FAULT=" + fault}});
  }

  // Lets call after call fail, the first ones one by one and then fewer, until none is left to fail. Gives how many
  // runs failed.
  int fail_call_after_call(const std::string& kind, bool streamed) {
    const Outcome whole = generate_with("none:0", streamed);
    expect_done(whole);
    const std::string picture = read_text(out() / "picture.png");
    int num_failed = 0;
    int num_done = 0;
    for (long call = 1; num_done < 3; call += 1 + call / 12) {
      SCOPED_TRACE(kind + ':' + std::to_string(call) + (streamed ? " streamed" : " resident"));
      for (const std::string& name : files_out()) fs::remove(out() / name);
      const Outcome outcome = generate_with(kind + ':' + std::to_string(call), streamed);
      EXPECT_FALSE(outcome.timed_out) << outcome.err;
      if (ended_within_json(kind, outcome)) {
        expect_only_whole_files();
        ++num_failed;
        num_done = 0;
        continue;
      }
      EXPECT_EQ(outcome.signal, 0) << outcome.err;
      if (outcome.exit_code == kDone) {
        EXPECT_EQ(files_out(), (std::vector<std::string>{"latents", "picture.png", "report.json"})) << outcome.err;
        if (kind != "read-garbage") {
          EXPECT_EQ(read_text(out() / "picture.png"), picture);
        }
        ++num_done;
      } else {
        EXPECT_EQ(outcome.exit_code, kFailure) << outcome.err;
        EXPECT_NE(outcome.err.find("steadyflux: "), std::string::npos) << outcome.err;
        EXPECT_EQ(outcome.err.find("internal error"), std::string::npos) << outcome.err;
        expect_only_whole_files();
        errors_.push_back(outcome.err);
        ++num_failed;
        num_done = 0;
      }
      if (HasFailure()) break;
    }
    return num_failed;
  }

  // nlohmann's destructors take memory to free a value's parts, and may not throw: while the report is made, after the
  // picture is written, an exhausted heap ends the program there.
  bool ended_within_json(const std::string& kind, const Outcome& outcome) const {
    return kind == "heap" && outcome.signal == SIGABRT && fs::exists(out() / "picture.png");
  }

  // What there is was finished before the fault, under its own name.
  void expect_only_whole_files() const {
    for (const std::string& name : files_out()) EXPECT_NE(name.front(), '.') << name;
    if (fs::exists(out() / "picture.png")) {
      const std::string bytes = read_text(out() / "picture.png");
      EXPECT_NE(bytes.find("IEND"), std::string::npos);
    }
  }

  std::string smallest_budget_;
  std::vector<std::string> errors_;  // what the failed runs said
};

class ReadFaultsTest : public FaultsTest, public ::testing::WithParamInterface<bool> {};

TEST_P(ReadFaultsTest, ARefusedReadNamesFileAndByte) {
  EXPECT_GT(fail_call_after_call("read-error", GetParam()), 10);
  for (const std::string& error : errors_) {
    EXPECT_NE(error.find(checkpoint().string()), std::string::npos) << error;
    EXPECT_NE(error.find("at byte "), std::string::npos) << error;
  }
}

TEST_P(ReadFaultsTest, AFileThatEndsEarlyIsNamedWithTheByte) {
  EXPECT_GT(fail_call_after_call("read-end", GetParam()), 10);
  for (const std::string& error : errors_) {
    EXPECT_NE(error.find(checkpoint().string()), std::string::npos) << error;
    EXPECT_NE(error.find("before byte "), std::string::npos) << error;
  }
}

TEST_P(ReadFaultsTest, AShortReadIsContinued) { EXPECT_EQ(fail_call_after_call("read-short", GetParam()), 0); }

// Configurations and headers are checked; weights cannot be, and NaN is a number to compute with.
TEST_P(ReadFaultsTest, GarbageIsNoticedOrComputedWith) { fail_call_after_call("read-garbage", GetParam()); }

INSTANTIATE_TEST_SUITE_P(Ways, ReadFaultsTest, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "Streamed" : "Resident"; });

TEST_F(FaultsTest, MemoryThatTheSystemRefusesIsToldInWords) {
  for (const bool streamed : {false, true}) EXPECT_GT(fail_call_after_call("memory", streamed), 5);
}

TEST_F(FaultsTest, AnExhaustedHeapIsToldInWords) {
  EXPECT_GT(fail_call_after_call("heap", true), 50);
  for (const std::string& error : errors_) EXPECT_NE(error.find("memory"), std::string::npos) << error;
}

// With more blocks, and steps, than a budget in whole MiB can hold or a moment can take.
TEST_F(FaultsTest, AModelThatIsChangedDuringTheRunIsNamed) {
  make_checkpoint("40", "60");
  constexpr const char* kSteps = "60";
  Program program({"generate", "--model", checkpoint().string(), "--prompt", "a", "--size", "64x32", "--steps", kSteps,
                   "--seed", "1", "--ram", budget_that_streams(kSteps), "--out", (out() / "picture.png").string()});
  ASSERT_TRUE(program.wait_for_words("step 2/"));
  const auto transformer = checkpoint() / "transformer";
  for (const auto& entry : fs::directory_iterator(transformer)) {
    if (entry.path().extension() != ".safetensors") continue;
    std::fstream(entry.path(), std::ios::in | std::ios::out | std::ios::binary).seekp(-1, std::ios::end).put('x');
  }
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.exit_code, kFailure) << outcome.err;
  EXPECT_NE(outcome.err.find("was changed since the model was opened (noticed at byte "), std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find(transformer.string()), std::string::npos) << outcome.err;
  EXPECT_TRUE(files_out().empty());
}

}  // namespace
}  // namespace steadyflux::e2e
