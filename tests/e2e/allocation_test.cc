// Nothing is allocated by our code in the step loop after step 1.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "e2e/counted_allocations.h"
#include "e2e/workspace.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::e2e {
namespace {

constexpr int kSteps = 6;

// Never called; its address is in this program.
void our_code() {}

// Counts between the end of step 1 and the end of the last.
class StepLoopCounter final : public Observer {
 public:
  void on_step(int step, int steps, double, std::uint64_t) override {
    if (step == 1) start_counting(reinterpret_cast<const void*>(&our_code));
    if (step == steps) counts_ = stop_counting();
    last_step_ = step;
  }
  int last_step() const { return last_step_; }
  const AllocationCounts& counts() const { return counts_; }

 private:
  int last_step_ = 0;
  AllocationCounts counts_;
};

struct LoopCase {
  const char* golden_case;
  int threads;
  ModelDType dtype;
};

class AllocationTest : public ::testing::TestWithParam<LoopCase> {};

TEST_P(AllocationTest, TheStepLoopAllocatesNothing) {
  EngineOptions options;
  options.model = golden_model(GetParam().golden_case).string();
  options.threads = GetParam().threads;
  options.dtype = GetParam().dtype;
  Engine engine = Engine::open(options);
  Request request;
  request.prompts = {"A red Fox"};
  request.seed = 7;
  request.width = 64;
  request.height = 32;
  request.steps = kSteps;
  if (std::string(GetParam().golden_case) == "guided_cfg_sharded") {
    request.true_cfg = 2.5;
    request.negative = "blurry";
  }
  StepLoopCounter counter;
  engine.generate(request, &counter);
  EXPECT_EQ(counter.last_step(), kSteps);
  EXPECT_EQ(counter.counts().ours, 0u);
  std::printf("operator new in %d steps: %zu by our code, %zu by libraries\n", kSteps - 1, counter.counts().ours,
              counter.counts().libraries);
}

INSTANTIATE_TEST_SUITE_P(Models, AllocationTest,
                         ::testing::Values(LoopCase{"double_only", 1, ModelDType::kF32},
                                           LoopCase{"double_only", 2, ModelDType::kF32},
                                           LoopCase{"guided_cfg_sharded", 1, ModelDType::kF32},
                                           LoopCase{"guided_cfg_sharded", 2, ModelDType::kBF16},
                                           LoopCase{"bf16_weights", 2, ModelDType::kAuto},
                                           LoopCase{"single_only", 2, ModelDType::kBF16}));

// The counter counts, and knows whose allocation it is.
TEST(CountedAllocations, SeesOurs) {
  start_counting(reinterpret_cast<const void*>(&our_code));
  std::string text(1000, 'x');          // from a template of the standard library in our code
  text.append(std::string(5000, 'y'));  // within the standard library itself
  const auto value = std::make_unique<int>(3);
  const AllocationCounts counts = stop_counting();
  EXPECT_GE(counts.ours, 4u);
  EXPECT_EQ(counts.libraries, 0u);
  EXPECT_EQ(*value, 3);
}

}  // namespace
}  // namespace steadyflux::e2e
