// Run N costs what run 1 cost, at a budget that forces streaming.
#include <gtest/gtest.h>

#include <string>

#include "e2e/workspace.h"

namespace steadyflux::e2e {
namespace {

using Json = nlohmann::json;

constexpr const char* kRuns = "8";
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class StabilityTest : public Workspace {
 protected:
  // spark's widths with more blocks than the smallest budget holds.
  StabilityTest() {
    expect_done(run({"bench", "make-checkpoint", "--like", STEADYFLUX_SOURCE "/models/spark", "--out",
                     checkpoint().string(), "--double", "10", "--single", "20"}));
  }

  std::filesystem::path checkpoint() const { return root() / "blocks"; }

  // The system may drop pages of the program's file whenever it likes, and reading one back is a major fault that no
  // run has caused: where only these differ, it is tried again. What a run causes differs every time.
  Json expect_same_costs(const std::vector<std::string>& more) const {
    constexpr int kAttempts = 3;
    Json result;
    bool same_faults = false;
    for (int attempt = 0; attempt < kAttempts && !same_faults; ++attempt) {
      result = bench(more);
      expect_counters(result);
      same_faults = result.at("identical").at("major_faults").get<bool>();
    }
    EXPECT_TRUE(same_faults) << result.dump(1);
    return result;
  }

  static void expect_counters(const Json& bench) {
    for (const char* name : {"read_bytes", "flops", "allocations"}) {
      EXPECT_TRUE(bench.at("identical").at(name).get<bool>()) << name << '\n' << bench.dump(1);
    }
    EXPECT_LE(bench.at("process_bytes_span").get<std::uint64_t>(), kMiB) << bench.dump(1);
    EXPECT_GT(bench.at("runs")[0].at("allocations").get<std::uint64_t>(), 0u);
  }

  Json bench(std::vector<std::string> more) const {
    const Outcome refused = run({"plan", "--model", checkpoint().string(), "--steps", "3", "--ram", "1M", "--json"});
    const auto budget = Json::parse(refused.out).at("does_not_fit").at("needed_bytes").get<std::uint64_t>();
    std::vector<std::string> arguments = {"bench",     "stability",
                                          "--model",   checkpoint().string(),
                                          "--ram",     std::to_string(budget),
                                          "--steps",   "3",
                                          "--runs",    kRuns,
                                          "--threads", "2",
                                          "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run(arguments);
    expect_done(outcome);
    return Json::parse(outcome.out);
  }
};

TEST_F(StabilityTest, RunsInOneProcessCostTheSame) {
  const Json json = expect_same_costs({});
  // Streaming: every step reads most of the blocks again.
  EXPECT_GT(json.at("runs")[1].at("read_bytes").get<std::uint64_t>(), 60 * kMiB);
}

TEST_F(StabilityTest, RunsInProcessesOfTheirOwnCostTheSame) { expect_same_costs({"--processes"}); }

}  // namespace
}  // namespace steadyflux::e2e
