// The engine on a device with memory of its own, played by the processor: two budgets, three tiers, the same bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "pipeline/bench/synthetic_checkpoint.h"
#include "pipeline/rates_file.h"
#include "platform/temporary_dir.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// 0: no budget of the process's memory.
struct Budgets {
  std::uint64_t ram_bytes = 0;
  std::uint64_t vram_bytes = 0;
};

class DeviceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TemporaryDir>("device_test");
    bench::SyntheticOptions options;
    options.like = "models/spark";
    options.out = model();
    options.double_blocks = 10;
    options.single_blocks = 20;
    bench::write_synthetic_checkpoint(bench::plan_synthetic_checkpoint(options), [](std::uint64_t) { return true; });
    on_host_ = std::make_unique<Result>(Engine::open(host_options()).generate(request()));
  }
  static void TearDownTestSuite() {
    on_host_.reset();
    directory_.reset();
  }

  static std::string model() { return (directory_->path() / "model").string(); }

  static EngineOptions host_options() {
    EngineOptions options;
    options.model = model();
    options.threads = 2;
    return options;
  }

  static EngineOptions device_options(const Budgets& budgets) {
    EngineOptions options = host_options();
    options.device = "simulated";
    options.ram_bytes = budgets.ram_bytes;
    options.vram_bytes = budgets.vram_bytes;
    return options;
  }

  static Request request() {
    Request request;
    request.prompts = {"a red circle"};
    request.width = 128;
    request.height = 128;
    request.seed = 3;
    request.steps = 2;
    request.count = 2;
    request.keep_latents = true;
    return request;
  }

  // The smallest that fit, as the refusal of impossible ones states them.
  static Budgets smallest() {
    const Plan plan = Engine::open(device_options({kMiB, kMiB})).plan(request());
    if (!plan.does_not_fit) return {};
    return {plan.does_not_fit->needed_bytes, plan.does_not_fit->needed_vram_bytes};
  }

  // Runs within the budgets; gives the tiers that groups of the transformer were in.
  static std::set<std::string> expect_the_same_bits(const EngineOptions& options) {
    const Result result = Engine::open(options).generate(request());
    EXPECT_FALSE(result.does_not_fit);
    if (result.does_not_fit) return {};
    std::set<std::string> tiers;
    for (const PhaseReport& phase : result.phases) {
      EXPECT_EQ(phase.actual_device_peak_bytes, phase.planned_device_peak_bytes) << phase.name;
      EXPECT_LE(phase.planned_device_peak_bytes, options.vram_bytes) << phase.name;
      if (options.ram_bytes > 0) {
        EXPECT_LE(phase.planned_peak_bytes, options.ram_bytes) << phase.name;
      }
      // The processor that plays the device holds its memory too.
      const std::uint64_t planned_bytes = phase.planned_peak_bytes + phase.actual_device_peak_bytes;
      if (STEADYFLUX_COUNTS_PROCESS_BYTES) {
        EXPECT_LE(phase.actual_peak_bytes, planned_bytes) << phase.name;
      }
      if (phase.name != "denoise") continue;
      for (const GroupReport& group : phase.stages[0].groups) tiers.insert(group.residency);
    }
    for (std::size_t i = 0; i < result.images.size(); ++i) {
      EXPECT_EQ(result.images[i].rgb, on_host_->images.at(i).rgb);
      EXPECT_EQ(result.images[i].latents, on_host_->images.at(i).latents);
    }
    return tiers;
  }

  static std::unique_ptr<TemporaryDir> directory_;
  static std::unique_ptr<Result> on_host_;
};

std::unique_ptr<TemporaryDir> DeviceTest::directory_;
std::unique_ptr<Result> DeviceTest::on_host_;

using Tiers = std::set<std::string>;

TEST_F(DeviceTest, EveryTierGivesTheBitsOfTheHost) {
  const auto [ram, vram] = smallest();
  ASSERT_GT(vram, 0u);
  // What rounding budgets up to whole MiB leaves of either memory may hold the smallest groups; how much that is
  // depends on the scratch of the processor's instruction set.
  const Tiers least = expect_the_same_bits(device_options({ram, vram}));
  EXPECT_TRUE(least.contains("streamed"));
  const Tiers much_ram = expect_the_same_bits(device_options({0, vram}));
  EXPECT_TRUE(much_ram.contains("staged"));
  EXPECT_FALSE(much_ram.contains("streamed"));
  EXPECT_EQ(expect_the_same_bits(device_options({ram, 4096 * kMiB})), (Tiers{"resident"}));
  EXPECT_EQ(expect_the_same_bits(device_options({ram + 12 * kMiB, vram + 12 * kMiB})),
            (Tiers{"resident", "staged", "streamed"}));
}

TEST_F(DeviceTest, AnyBudgetsAndSlowCopiesGiveTheBitsOfTheHost) {
  const Budgets least = smallest();
  std::mt19937 random(1);
  for (int round = 0; round < 4; ++round) {
    EngineOptions options =
        device_options({least.ram_bytes + random() % 40 * kMiB, least.vram_bytes + random() % 40 * kMiB});
    options.simulated_device.copy_latency_seconds = 1e-4;
    options.simulated_device.copy_bytes_per_second = 2e9;
    expect_the_same_bits(options);
  }
}

TEST_F(DeviceTest, TheStatedBudgetsAreTheSmallestThatFit) {
  const auto [ram, vram] = smallest();
  EXPECT_FALSE(Engine::open(device_options({ram, vram})).plan(request()).does_not_fit);
  const Plan less_ram = Engine::open(device_options({ram - kMiB, vram})).plan(request());
  ASSERT_TRUE(less_ram.does_not_fit);
  EXPECT_TRUE(less_ram.does_not_fit->is_ram_short());
  EXPECT_FALSE(less_ram.does_not_fit->is_vram_short());
  EXPECT_EQ(less_ram.does_not_fit->suggestions.at(0), "--ram " + std::to_string(ram / kMiB) + "M");
  const Plan less_vram = Engine::open(device_options({ram, vram - kMiB})).plan(request());
  ASSERT_TRUE(less_vram.does_not_fit);
  EXPECT_FALSE(less_vram.does_not_fit->is_ram_short());
  EXPECT_TRUE(less_vram.does_not_fit->is_vram_short());
  EXPECT_EQ(less_vram.does_not_fit->suggestions.at(0), "--vram " + std::to_string(vram / kMiB) + "M");
  EXPECT_NE(less_vram.does_not_fit->to_text().find("device memory"), std::string::npos);
}

TEST_F(DeviceTest, ADeviceThatIsTooSmallIsNotOfferedMore) {
  EngineOptions options = device_options({});
  options.vram_bytes = 0;
  options.simulated_device.memory_bytes = smallest().vram_bytes - kMiB;
  const Plan plan = Engine::open(options).plan(request());
  ASSERT_TRUE(plan.does_not_fit);
  for (const std::string& suggestion : plan.does_not_fit->suggestions) {
    EXPECT_EQ(suggestion.find("--vram"), std::string::npos) << suggestion;
  }
}

// Groups and tiers of every phase.
std::vector<std::string> placement(const Plan& plan) {
  std::vector<std::string> places;
  for (const PhaseReport& phase : plan.phases) {
    for (const StageReport& stage : phase.stages) {
      for (const GroupReport& group : stage.groups) places.push_back(group.name + ' ' + group.residency);
    }
  }
  return places;
}

TEST_F(DeviceTest, AMeasuredCopyRateChangesPredictedSecondsAlone) {
  EngineOptions options = device_options(smallest());
  options.rates = directory_->path() / "rates.json";
  const auto plan_with = [&](double copy_bytes) {
    Rates rates = default_rates(options.threads);
    rates.copy_bytes = copy_bytes;
    save_rates(options.rates, rates, "simulated", options.threads);
    return Engine::open(options).plan(request());
  };
  const Plan usual = Engine::open(device_options(smallest())).plan(request());
  const Plan slow = plan_with(1e6);
  EXPECT_TRUE(slow.rates_measured);
  EXPECT_GT(slow.predicted_seconds, 10 * usual.predicted_seconds);
  EXPECT_EQ(placement(slow), placement(usual));
  EXPECT_EQ(plan_with(1e12).peak_bytes, usual.peak_bytes);
}

TEST_F(DeviceTest, AnAutomaticBudgetIsWhatTheDeviceHasLessTheReserve) {
  const std::uint64_t budget = smallest().vram_bytes + 4 * kMiB;
  ASSERT_LT(budget, 512 * kMiB);
  EngineOptions options = device_options({0, budget});
  options.simulated_device.memory_bytes = 2 * budget;
  const Plan stated = Engine::open(options).plan(request());
  options.vram_bytes = kAutoBudget;
  Engine engine = Engine::open(options);
  const Plan plan = engine.plan(request());
  EXPECT_EQ(plan.to_json(), stated.to_json());
  EXPECT_LE(plan.device_peak_bytes, budget);
  EXPECT_EQ(engine.generate(request()).images.at(0).rgb, on_host_->images.at(0).rgb);
  EXPECT_EQ(engine.plan(request()).to_json(), plan.to_json());
  // Without a reserve more would be resident.
  options.vram_bytes = 0;
  EXPECT_NE(placement(Engine::open(options).plan(request())), placement(plan));
}

TEST_F(DeviceTest, AnAutomaticBudgetThatIsTooSmallIsRefusedWithOneThatWouldDo) {
  const std::uint64_t least = smallest().vram_bytes;
  EngineOptions options = device_options({0, kAutoBudget});
  options.simulated_device.memory_bytes = least;
  const Plan plan = Engine::open(options).plan(request());
  ASSERT_TRUE(plan.does_not_fit);
  EXPECT_EQ(plan.does_not_fit->vram_bytes, least / 2 / kMiB * kMiB);
  EXPECT_EQ(plan.does_not_fit->suggestions.at(0), "--vram " + std::to_string(least / kMiB) + "M");
}

TEST_F(DeviceTest, ABudgetOfDeviceMemoryNeedsADeviceThatHasSome) {
  EngineOptions options = host_options();
  options.vram_bytes = 1024 * kMiB;
  EXPECT_THROW(Engine::open(options), Error);
  options.vram_bytes = kAutoBudget;
  EXPECT_THROW(Engine::open(options), Error);
  options.vram_bytes = 0;
  options.device = "abacus";
  EXPECT_THROW(Engine::open(options), Error);
}

}  // namespace
}  // namespace steadyflux
