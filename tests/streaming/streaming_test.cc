// The engine under budgets: what fits is planned, stays inside the plan and gives the same bits; what does not is told.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bench/synthetic_checkpoint.h"
#include "pipeline/carried.h"
#include "platform/temporary_dir.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// spark's widths with more blocks: some 40 MiB of transformer, several times what two blocks take.
class StreamingTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TemporaryDir>("streaming_test");
    bench::SyntheticOptions options;
    options.like = "models/spark";
    options.out = model();
    options.double_blocks = 10;
    options.single_blocks = 20;
    bench::write_synthetic_checkpoint(bench::plan_synthetic_checkpoint(options), [](std::uint64_t) { return true; });
  }
  static void TearDownTestSuite() { directory_.reset(); }

  static std::string model() { return (directory_->path() / "model").string(); }

  static EngineOptions options(std::uint64_t ram_bytes) {
    EngineOptions options;
    options.model = model();
    options.threads = 2;
    options.ram_bytes = ram_bytes;
    return options;
  }

  static Request request() {
    Request request;
    request.prompts = {"a red circle"};
    request.seed = 3;
    request.steps = 3;
    request.keep_latents = true;
    return request;
  }

  static Result generate(std::uint64_t ram_bytes) {
    Engine engine = Engine::open(options(ram_bytes));
    return engine.generate(request());
  }

  // The smallest budget that fits, as the refusal of an impossible one states it.
  static std::uint64_t smallest_budget() {
    const Plan plan = Engine::open(options(kMiB)).plan(request());
    return plan.does_not_fit ? plan.does_not_fit->needed_bytes : 0;
  }

  static std::unique_ptr<TemporaryDir> directory_;
};

std::unique_ptr<TemporaryDir> StreamingTest::directory_;

const PhaseReport& denoise(const std::vector<PhaseReport>& phases) {
  return *std::find_if(phases.begin(), phases.end(), [](const PhaseReport& phase) { return phase.name == "denoise"; });
}

TEST_F(StreamingTest, ASmallBudgetReadsMoreHoldsLessAndGivesTheSameBits) {
  const std::uint64_t smallest = smallest_budget();
  ASSERT_GT(smallest, 0u);
  const Result all = generate(0);
  for (const std::uint64_t budget : {smallest, smallest + 4 * kMiB, smallest + 12 * kMiB}) {
    const Result streamed = generate(budget);
    ASSERT_FALSE(streamed.does_not_fit);
    EXPECT_GT(denoise(streamed.phases).read_bytes, denoise(all.phases).read_bytes);
    EXPECT_LT(denoise(streamed.phases).planned_peak_bytes, denoise(all.phases).planned_peak_bytes);
    for (const PhaseReport& phase : streamed.phases) {
      EXPECT_LE(phase.planned_peak_bytes, budget) << phase.name;
    }
    EXPECT_EQ(streamed.images[0].rgb, all.images[0].rgb);
    EXPECT_EQ(streamed.images[0].latents, all.images[0].latents);
  }
}

TEST_F(StreamingTest, ABatchSharesPassesAndEachImageKeepsItsBits) {
  Request batch = request();
  batch.prompts = {"a red circle", "a blue square"};
  batch.count = 3;
  Engine everything = Engine::open(options(0));
  const Result alone = everything.generate(batch);
  EXPECT_EQ(denoise(alone.phases).window, 1);
  const std::uint64_t budget = smallest_budget() + 8 * kMiB;
  const Result shared = Engine::open(options(budget)).generate(batch);
  ASSERT_FALSE(shared.does_not_fit);
  EXPECT_GT(denoise(shared.phases).window, 1);
  ASSERT_EQ(shared.images.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(shared.images[i].rgb, alone.images[i].rgb) << i;
    EXPECT_EQ(shared.images[i].latents, alone.images[i].latents) << i;
  }
}

TEST_F(StreamingTest, StreamedWeightsMoveOnceAStepForAWholeWindow) {
  Request batch = request();
  batch.count = 4;
  const std::uint64_t budget = smallest_budget() + 8 * kMiB;
  const Plan plan = Engine::open(options(budget)).plan(batch);
  ASSERT_FALSE(plan.does_not_fit);
  ASSERT_EQ(denoise(plan.phases).window, 4);
  const StageReport& stage = denoise(plan.phases).stages.at(0);
  EXPECT_EQ(stage.passes, 3u);
  EXPECT_EQ(denoise(plan.phases).read_bytes, stage.resident_bytes + stage.passes * stage.pass_read_bytes);
  std::uint64_t streamed = 0;
  for (const GroupReport& group : stage.groups) streamed += group.residency == "streamed" ? group.bytes : 0;
  EXPECT_EQ(stage.pass_read_bytes, streamed);
}

TEST_F(StreamingTest, WhatALongBatchCarriesBetweenPhasesIsInFiles) {
  Request batch = request();
  batch.steps = 1;
  for (int i = 0; i < 1000; ++i) batch.prompts.push_back("a red circle");
  batch.prompts.back() = "a blue square";
  batch.keep_images = false;
  batch.keep_latents = false;
  const Plan in_memory = Engine::open(options(0)).plan(batch);
  const Plan in_files = Engine::open(options(4096 * kMiB)).plan(batch);
  const auto carried = [](const Plan& plan) { return denoise(plan.phases).stages.at(0).carried_bytes; };
  EXPECT_GT(carried(in_memory), 64 * kMiB);
  EXPECT_LT(carried(in_files), 8 * kMiB);
}

TEST(CarriedRowsTest, GiveBackWhatTheyKeepInMemoryAndInFiles) {
  const TemporaryDir directory("carried_rows_test");
  for (const std::filesystem::path& spill : {std::filesystem::path(), directory.path()}) {
    CarriedRows rows(3, 4, spill);
    for (std::size_t i = 0; i < 3; ++i) rows.store(i, std::as_bytes(std::span("abcdefghijkl" + 4 * i, 4)));
    EXPECT_EQ(std::memcmp(rows.load(1).data(), "efgh", 4), 0);
    EXPECT_EQ(std::memcmp(rows.load(0).data(), "abcd", 4), 0);
    EXPECT_EQ(std::memcmp(rows.load(2).data(), "ijkl", 4), 0);
  }
  CarriedRows spilled(3, 4, directory.path());
  EXPECT_THROW(spilled.store(1, std::as_bytes(std::span("abcd", 4))), Error);
}

TEST_F(StreamingTest, PicturesThatAreNotKeptAreShownAndLetGo) {
  class Shown final : public Observer {
   public:
    void on_image(const Image& image, int, int) override { sizes.push_back(image.rgb.size()); }
    std::vector<std::size_t> sizes;
  };
  Request batch = request();
  batch.count = 2;
  batch.keep_images = false;
  Shown shown;
  const Result result = Engine::open(options(0)).generate(batch, &shown);
  ASSERT_EQ(result.images.size(), 2u);
  EXPECT_TRUE(result.images[0].rgb.empty() && result.images[1].rgb.empty());
  EXPECT_EQ(shown.sizes, std::vector<std::size_t>(2, 256 * 256 * 3));
}

TEST_F(StreamingTest, AGenerousBudgetKeepsEverythingResident) {
  const Plan plan = Engine::open(options(4096 * kMiB)).plan(request());
  EXPECT_FALSE(plan.does_not_fit);
  EXPECT_EQ(denoise(plan.phases).read_bytes, denoise(Engine::open(options(0)).plan(request()).phases).read_bytes);
}

TEST_F(StreamingTest, TheStatedBudgetIsTheSmallestThatFits) {
  const std::uint64_t smallest = smallest_budget();
  EXPECT_FALSE(Engine::open(options(smallest)).plan(request()).does_not_fit);
  EXPECT_TRUE(Engine::open(options(smallest - kMiB)).plan(request()).does_not_fit);
}

TEST_F(StreamingTest, EverySuggestionFits) {
  Request large = request();
  large.width = 1024;
  large.height = 768;
  large.count = 3;
  EngineOptions narrow = options(130 * kMiB);
  const Plan refused = Engine::open(narrow).plan(large);
  ASSERT_TRUE(refused.does_not_fit);
  bool size_seen = false;
  for (const std::string& suggestion : refused.does_not_fit->suggestions) {
    EngineOptions changed_options = narrow;
    Request changed = large;
    const std::string value = suggestion.substr(suggestion.find(' ') + 1);
    if (suggestion.starts_with("--ram ")) {
      changed_options.ram_bytes = std::stoull(value) * kMiB;
    } else if (suggestion.starts_with("--size ")) {
      changed.width = std::stoi(value);
      changed.height = std::stoi(value.substr(value.find('x') + 1));
      size_seen = true;
    } else if (suggestion.starts_with("--count ")) {
      changed.count = std::stoi(value);
    } else if (suggestion.starts_with("--decode tiled:")) {
      changed.decode = DecodeChoice::kTiled;
      changed.tile_size = std::stoi(value.substr(value.find(':') + 1));
    } else {
      FAIL() << suggestion;
    }
    EXPECT_FALSE(Engine::open(changed_options).plan(changed).does_not_fit) << suggestion;
  }
  EXPECT_TRUE(size_seen);
}

TEST_F(StreamingTest, AnAutomaticSizeIsTheLargestThatFits) {
  Request automatic = request();
  automatic.auto_size = true;
  automatic.max_size = ImageSize{1024, 1024};
  const std::uint64_t budget = 300 * kMiB;
  const Plan plan = Engine::open(options(budget)).plan(automatic);
  ASSERT_FALSE(plan.does_not_fit);
  EXPECT_GT(plan.width, 128);
  for (const ImageSize& size : usual_sizes({1024, 1024})) {
    if (size.width * size.height <= plan.width * plan.height) continue;
    Request larger = request();
    larger.width = size.width;
    larger.height = size.height;
    EXPECT_TRUE(Engine::open(options(budget)).plan(larger).does_not_fit) << size.width << 'x' << size.height;
  }
  const Plan unbounded = Engine::open(options(0)).plan(automatic);
  EXPECT_EQ(unbounded.width, 1024);
  EXPECT_TRUE(Engine::open(options(kMiB)).plan(automatic).does_not_fit);
}

TEST_F(StreamingTest, ASizeIsGivenOrAutomaticNotBoth) {
  Request both = request();
  both.auto_size = true;
  both.width = 128;
  EXPECT_THROW(Engine::open(options(0)).plan(both), Error);
  Request bound_only = request();
  bound_only.max_size = ImageSize{512, 512};
  EXPECT_THROW(Engine::open(options(0)).plan(bound_only), Error);
}

TEST_F(StreamingTest, ARefusalDoesNoWork) {
  const Result result = generate(kMiB);
  ASSERT_TRUE(result.does_not_fit);
  EXPECT_TRUE(result.images.empty());
  EXPECT_NE(result.does_not_fit->to_text().find("--ram"), std::string::npos);
}

}  // namespace
}  // namespace steadyflux
