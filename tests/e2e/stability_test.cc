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
  const Json json = bench({});
  expect_counters(json);
  EXPECT_TRUE(json.at("identical").at("major_faults").get<bool>()) << json.dump(1);
  // Streaming: every step reads most of the blocks again.
  EXPECT_GT(json.at("runs")[1].at("read_bytes").get<std::uint64_t>(), 60 * kMiB);
}

// A process of its own also reads what the system has dropped of the program's file: major faults that no run caused.
TEST_F(StabilityTest, RunsInProcessesOfTheirOwnCostTheSame) { expect_counters(bench({"--processes"})); }

}  // namespace
}  // namespace steadyflux::e2e
