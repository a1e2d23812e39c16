// A system that is short of memory: a run is refused at its start, or finishes and says so. The machine is made up, so
// that nothing is really eaten.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "e2e/workspace.h"
#include "platform/page_region.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::e2e {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

// Keeps what it is told, and does something after the first step.
class Listener final : public Observer {
 public:
  explicit Listener(std::function<void()> after_first_step = {}) : after_first_step_(std::move(after_first_step)) {}

  void on_phase(std::string_view phase) override { phases.emplace_back(phase); }
  void on_step(int step, int, double, std::uint64_t) override {
    if (step == 1 && after_first_step_) after_first_step_();
  }
  void on_memory(const MemoryUse& use) override { last = use; }
  void on_warning(std::string_view text) override { warnings.emplace_back(text); }

  std::vector<std::string> phases;
  std::vector<std::string> warnings;
  MemoryUse last;

 private:
  std::function<void()> after_first_step_;
};

class MemoryPressureTest : public Workspace {
 protected:
  void SetUp() override {
    set_memory(16 * kGiB, 8 * kGiB);
    set_swapped_pages(0);
  }

  void set_memory(std::uint64_t total_bytes, std::uint64_t available_bytes) const {
    put("proc/meminfo", "MemTotal: " + std::to_string(total_bytes / 1024) + " kB\nMemAvailable: " +
                            std::to_string(available_bytes / 1024) + " kB\nSwapTotal: 99999999 kB\n");
  }
  void set_swapped_pages(int out) const { put("proc/vmstat", "pswpin 0\npswpout " + std::to_string(out) + "\n"); }

  Engine open(const std::function<void(EngineOptions&)>& change = {}) const {
    EngineOptions options;
    options.model = model().string();
    options.threads = 1;
    options.system_root = root() / "machine";
    if (change) change(options);
    return Engine::open(options);
  }

  static Request request() {
    Request request;
    request.prompts = {"A red Fox"};
    request.seed = 7;
    request.width = 64;
    request.height = 32;
    request.steps = 3;
    return request;
  }

 private:
  void put(const fs::path& path, const std::string& text) const {
    const fs::path file = root() / "machine" / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_F(MemoryPressureTest, AQuietMachineIsWarnedOfNothing) {
  Engine engine = open();
  Listener listener;
  const Result result = engine.generate(request(), &listener);
  EXPECT_EQ(result.images.size(), 1u);
  EXPECT_FALSE(result.shortage.has_value());
  EXPECT_TRUE(result.warnings.empty()) << result.warnings[0];
  EXPECT_TRUE(listener.warnings.empty());
}

TEST_F(MemoryPressureTest, IsRefusedWhenThePlanCannotBeCarriedOutNow) {
  set_memory(16 * kGiB, kMiB);
  Engine engine = open();
  Listener listener;
  const Result result = engine.generate(request(), &listener);
  ASSERT_TRUE(result.shortage.has_value());
  EXPECT_TRUE(result.images.empty());
  EXPECT_TRUE(listener.phases.empty()) << "nothing begins";
  EXPECT_EQ(result.shortage->available_bytes, kMiB);
  EXPECT_GT(result.shortage->needed_bytes, kMiB);
  const std::string text = result.shortage->to_text();
  EXPECT_TRUE(contains(text, "1.00 MiB are available")) << text;
  EXPECT_TRUE(contains(text, "--force")) << text;
  EXPECT_TRUE(engine.plan(request()).shortage.has_value());
  EXPECT_TRUE(contains(engine.plan(request()).to_table(), "not now:"));
  try {
    engine.encode(request());
    FAIL() << "was encoded";
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(ErrorCode::kDoesNotFit)) << error.what();
  }
}

TEST_F(MemoryPressureTest, ForceGoesOnWithAWarning) {
  set_memory(16 * kGiB, kMiB);
  Engine engine = open([](EngineOptions& options) { options.force = true; });
  Listener listener;
  const Result result = engine.generate(request(), &listener);
  EXPECT_EQ(result.images.size(), 1u);
  ASSERT_FALSE(result.warnings.empty());
  EXPECT_TRUE(contains(result.warnings[0], "because of --force")) << result.warnings[0];
  EXPECT_EQ(listener.warnings, result.warnings);
}

TEST_F(MemoryPressureTest, SwappingDuringARunIsWarnedOfOnce) {
  Engine engine = open();
  Listener listener([this] { set_swapped_pages(1 << 20); });
  const Result result = engine.generate(request(), &listener);
  EXPECT_EQ(result.images.size(), 1u);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_TRUE(contains(result.warnings[0], "the system swaps")) << result.warnings[0];
  EXPECT_EQ(listener.warnings, result.warnings);
  EXPECT_TRUE(contains(result.to_json(), "the system swaps"));
  std::uint64_t swapped = 0;
  for (const PhaseReport& phase : result.phases) swapped += phase.swap_out_bytes;
  EXPECT_EQ(swapped, (std::uint64_t{1} << 20) * page_bytes());
}

TEST_F(MemoryPressureTest, MemoryThatAnotherProcessTakesIsWarnedOfOnce) {
  Engine engine = open();
  Listener listener([this] { set_memory(16 * kGiB, 0); });
  const Result result = engine.generate(request(), &listener);
  EXPECT_EQ(result.images.size(), 1u);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_TRUE(contains(result.warnings[0], "another process holds")) << result.warnings[0];
}

TEST_F(MemoryPressureTest, AutoIsTheMachineLessAReserve) {
  const auto automatic = [](EngineOptions& options) { options.ram_bytes = kAutoBudget; };
  EXPECT_EQ(open(automatic).plan(request()).budget_bytes, 15 * kGiB - 615 * kMiB);
  set_memory(4 * kGiB, kGiB);
  EXPECT_EQ(open(automatic).plan(request()).budget_bytes, 3 * kGiB);
  set_memory(128 * kMiB, 128 * kMiB);
  EXPECT_TRUE(open(automatic).plan(request()).does_not_fit.has_value());
}

TEST_F(MemoryPressureTest, MemoryUseAndItsPeakCanBeAsked) {
  Engine engine = open();
  Listener listener;
  engine.generate(request(), &listener);
  const MemoryUse after = engine.memory();
  EXPECT_GE(after.peak_bytes, listener.last.current_bytes);
  EXPECT_EQ(after.available_bytes, 8 * kGiB);
  EXPECT_GT(listener.last.planned_bytes, 0u);
  engine.reset_peak();
  const MemoryUse reset = engine.memory();
  EXPECT_EQ(reset.peak_bytes, reset.current_bytes);
}

TEST_F(MemoryPressureTest, TheCommandExitsWithThreeUnlessForced) {
  set_memory(16 * kGiB, kMiB);
  const std::vector<std::string> here = {"--system-root", (root() / "machine").string()};
  const Outcome refused = generate(here);
  EXPECT_EQ(refused.exit_code, 3) << refused.err;
  EXPECT_EQ(refused.out, "");
  EXPECT_TRUE(contains(refused.err, "1.00 MiB are available")) << refused.err;
  EXPECT_TRUE(files_out().empty());

  const Outcome forced = generate({here[0], here[1], "--force", "--quiet"});
  EXPECT_EQ(forced.exit_code, 0) << forced.err;
  EXPECT_TRUE(contains(forced.err, "because of --force")) << forced.err;

  std::vector<std::string> plan = {"plan", "--model", model().string(), "--json"};
  plan.insert(plan.end(), here.begin(), here.end());
  const Outcome planned = run(plan);
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_EQ(nlohmann::json::parse(planned.out).at("shortage").at("available_bytes"), kMiB);

  const Outcome encoded = run({"encode", "--model", model().string(), "--prompt", "A red Fox", "--out",
                               (out() / "embeds").string(), here[0], here[1]});
  EXPECT_EQ(encoded.exit_code, 3) << encoded.err;
}

}  // namespace
}  // namespace steadyflux::e2e
