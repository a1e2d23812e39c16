// The disk, the system's memory or the heap fails at any one call: the command says so and leaves nothing half-written.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "e2e/workspace.h"

namespace steadyflux::e2e {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kDone = 0;
constexpr int kFailure = 1;
constexpr int kDoesNotFit = 3;

// A command line and the files of out/ that it makes.
struct Command {
  std::vector<std::string> arguments;
  std::vector<std::string> files;  // in alphabetical order
};

// Which of the calls of a kind fail, each in a run of its own.
enum class Calls {
  kEach,
  kFewerAndFewer,  // the first ones one by one and then ever fewer, where there are thousands
};

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
  std::string budget_that_streams(const char* steps = "2") const { return smallest_budgets({"--steps", steps}).first; }

  // The smallest budgets of the process's and of a discrete device's memory.
  std::pair<std::string, std::string> smallest_budgets(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"plan", "--model", checkpoint().string(), "--size", "64x32", "--ram",
                                          "1M",   "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, kDoesNotFit) << outcome.err;
    const Json refusal = Json::parse(outcome.out).at("does_not_fit");
    return {refusal.at("needed_bytes").dump(), refusal.at("needed_vram_bytes").dump()};
  }

  Command with(Command command, const std::vector<std::string>& more) const {
    command.arguments.insert(command.arguments.end(), more.begin(), more.end());
    return command;
  }

  // With everything in memory.
  Command generating() const {
    return {{"generate", "--model", checkpoint().string(), "--prompt", "a", "--size", "64x32", "--steps", "2", "--seed",
             "7", "--threads", "2", "--out", (out() / "picture.png").string(), "--latents-out",
             (out() / "latents").string(), "--report", (out() / "report.json").string()},
            {"latents", "picture.png", "report.json"}};
  }
  Command streaming() const { return with(generating(), {"--ram", smallest_budget_}); }
  // Through all three tiers of a discrete device.
  Command streaming_to_device() const {
    const auto [ram, vram] = smallest_budgets({"--steps", "2", "--device", "simulated", "--vram", "1M"});
    return with(generating(), {"--ram", ram, "--device", "simulated", "--vram", vram});
  }
  Command encoding() const {
    return {{"encode", "--model", checkpoint().string(), "--prompt", "a", "--threads", "2", "--ram", smallest_budget_,
             "--out", (out() / "embeds").string()},
            {"embeds"}};
  }
  Command planning() const {
    return {{"plan", "--model", checkpoint().string(), "--size", "64x32", "--steps", "2", "--threads", "2", "--ram",
             smallest_budget_},
            {}};
  }

  static Outcome run_with(const std::string& fault, const Command& command, const fs::path& place = {}) {
    std::vector<std::string> environment = {std::string("LD_PRELOAD=") + STEADYFLUX_FAULTS,
                                            "STEADYFLUX_FAULT=" + fault};
    if (!place.empty()) environment.push_back("STEADYFLUX_FAULT_IN=" + place.string());
    return run(command.arguments, {.environment = environment});
  }

  // Lets call after call fail, until none is left to fail. Gives how many runs failed.
  int fail_call_after_call(const std::string& kind, const Command& command, Calls calls) {
    remove_files_out();
    const Outcome whole = run_with("none:0", command);
    expect_done(whole);
    whole_files_.clear();
    for (const std::string& name : command.files) whole_files_[name] = read_text(out() / name);
    int num_failed = 0;
    int num_done = 0;
    for (long call = 1; num_done < 3; call += calls == Calls::kEach ? 1 : 1 + call / 12) {
      SCOPED_TRACE(kind + ':' + std::to_string(call) + ' ' + command.arguments[0]);
      remove_files_out();
      const Outcome outcome = run_with(kind + ':' + std::to_string(call), command);
      EXPECT_FALSE(outcome.timed_out) << outcome.err;
      expect_only_whole_files(kind);
      if (outcome.exit_code == kDone) {
        EXPECT_EQ(files_out(), command.files) << outcome.err;
        EXPECT_EQ(outcome.out, whole.out);
        ++num_done;
      } else {
        expect_told_in_words(outcome);
        errors_.push_back(outcome.err);
        ++num_failed;
        num_done = 0;
      }
      if (HasFailure()) break;
    }
    return num_failed;
  }

  static void expect_told_in_words(const Outcome& outcome) {
    EXPECT_EQ(outcome.signal, 0) << outcome.err;
    EXPECT_EQ(outcome.exit_code, kFailure) << outcome.err;
    EXPECT_NE(outcome.err.find("steadyflux: "), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find("internal error"), std::string::npos) << outcome.err;
  }

  // What there is was finished before the fault, under its own name. What was computed from garbage is another thing.
  void expect_only_whole_files(const std::string& kind) const {
    for (const std::string& name : files_out()) {
      EXPECT_NE(name.front(), '.') << name;
      const std::string text = read_text(out() / name);
      if (name == "report.json") {
        EXPECT_TRUE(Json::accept(text)) << text;
      } else if (kind != "read-garbage") {
        EXPECT_EQ(text, whole_files_.at(name)) << name;
      } else if (name == "picture.png") {
        EXPECT_NE(text.find("IEND"), std::string::npos);
      }
    }
  }

  void remove_files_out() const {
    for (const std::string& name : files_out()) fs::remove(out() / name);
  }

  void expect_errors_say(const std::vector<std::string>& needles) const {
    for (const std::string& error : errors_) {
      for (const std::string& needle : needles) EXPECT_NE(error.find(needle), std::string::npos) << error;
    }
  }

  std::string smallest_budget_;
  std::vector<std::string> errors_;                 // what the failed runs said
  std::map<std::string, std::string> whole_files_;  // of the run without a fault
};

class ReadFaultsTest : public FaultsTest, public ::testing::WithParamInterface<bool> {
 protected:
  Command command() const { return GetParam() ? streaming() : generating(); }
};

TEST_P(ReadFaultsTest, ARefusedReadNamesFileAndByte) {
  EXPECT_GT(fail_call_after_call("read-error", command(), Calls::kFewerAndFewer), 10);
  expect_errors_say({checkpoint().string(), "at byte "});
}

TEST_P(ReadFaultsTest, AFileThatEndsEarlyIsNamedWithTheByte) {
  EXPECT_GT(fail_call_after_call("read-end", command(), Calls::kFewerAndFewer), 10);
  expect_errors_say({checkpoint().string(), "before byte "});
}

TEST_P(ReadFaultsTest, AShortReadIsContinued) {
  EXPECT_EQ(fail_call_after_call("read-short", command(), Calls::kFewerAndFewer), 0);
}

// Configurations and headers are checked; weights cannot be, and NaN is a number to compute with.
TEST_P(ReadFaultsTest, GarbageIsNoticedOrComputedWith) {
  fail_call_after_call("read-garbage", command(), Calls::kFewerAndFewer);
}

INSTANTIATE_TEST_SUITE_P(Ways, ReadFaultsTest, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "Streamed" : "Resident"; });

// Regions: arenas, slots, resident weights, what is carried, staging buffers and the device's memory.
TEST_F(FaultsTest, MemoryThatTheSystemRefusesIsToldInWords) {
  for (const Command& command : {generating(), streaming(), streaming_to_device(), encoding()}) {
    EXPECT_GT(fail_call_after_call("memory", command, Calls::kEach), 5);
  }
  expect_errors_say({"memory"});
}

TEST_F(FaultsTest, AnExhaustedHeapIsToldInWords) {
  for (const Command& command : {streaming(), encoding(), planning()}) {
    EXPECT_GT(fail_call_after_call("heap", command, Calls::kFewerAndFewer), 50);
  }
  expect_errors_say({"memory"});
}

TEST_F(FaultsTest, AFullDiskIsToldWithTheFileAndLeavesNoPartOfIt) {
  for (const Command& command : {generating(), encoding()}) {
    EXPECT_GT(fail_call_after_call("disk-full", command, Calls::kEach), 2);
    EXPECT_GT(fail_call_after_call("sync-error", command, Calls::kEach), 0);
  }
  expect_errors_say({out().string(), "No space left on device"});
  for (const char* name : {"picture.png", "latents", "report.json", "embeds"}) {
    const std::string path = (out() / name).string();
    EXPECT_TRUE(std::any_of(errors_.begin(), errors_.end(), [&](const std::string& error) {
      return error.find(path) != std::string::npos;
    })) << path;
  }
}

TEST_F(FaultsTest, AFullDiskOfThePromptCacheIsAWarning) {
  const fs::path cache = root() / "cache";
  const Command command = with(generating(), {"--prompt-cache", cache.string()});
  expect_done(run(generating().arguments));
  const std::string picture = read_text(out() / "picture.png");
  int num_warned = 0;
  for (int call = 1;; ++call) {
    SCOPED_TRACE(call);
    fs::remove_all(cache);
    const Outcome outcome = run_with("disk-full:" + std::to_string(call), command, cache);
    expect_done(outcome);
    EXPECT_EQ(read_text(out() / "picture.png"), picture);
    for (const auto& entry : fs::directory_iterator(cache)) EXPECT_NE(entry.path().filename().string().front(), '.');
    if (outcome.err.find("warning: ") == std::string::npos) break;
    EXPECT_NE(outcome.err.find("nothing is stored in the prompt cache " + cache.string()), std::string::npos);
    EXPECT_NE(outcome.err.find("No space left on device"), std::string::npos) << outcome.err;
    ++num_warned;
    // What was stored before is whole.
    const Outcome next = run(command.arguments);
    expect_done(next);
    EXPECT_EQ(next.err.find("warning: "), std::string::npos) << next.err;
    EXPECT_EQ(read_text(out() / "picture.png"), picture);
    if (HasFailure()) break;
  }
  EXPECT_GT(num_warned, 5);
}

TEST_F(FaultsTest, AFullDiskLeavesEarlierRatesAsTheyWere) {
  const fs::path home = root() / "home";
  const fs::path rates = home / "steadyflux" / "rates.json";
  fs::create_directories(rates.parent_path());
  write_text(rates, "earlier");
  const auto doctor = [&](const fs::path& full) {
    return run({"doctor", "--save", "--seconds", "0.01", "--threads", "2", "--model", checkpoint().string()},
               {.environment = {std::string("LD_PRELOAD=") + STEADYFLUX_FAULTS, "STEADYFLUX_FAULT=disk-full:1",
                                "STEADYFLUX_FAULT_IN=" + full.string(), "XDG_CACHE_HOME=" + home.string()}});
  };
  const auto list = [](const fs::path& directory) {
    std::set<fs::path> paths;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) paths.insert(entry.path());
    return paths;
  };
  const auto before = list(root());
  const Outcome cache_full = doctor(home);
  expect_told_in_words(cache_full);
  EXPECT_NE(cache_full.err.find(rates.string() + ": No space left on device"), std::string::npos) << cache_full.err;
  const Outcome all_full = doctor(root());
  expect_told_in_words(all_full);
  EXPECT_NE(all_full.err.find("nothing is saved"), std::string::npos) << all_full.err;
  EXPECT_EQ(read_text(rates), "earlier");
  EXPECT_EQ(list(root()), before);
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
