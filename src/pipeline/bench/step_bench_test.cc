#include "pipeline/bench/step_bench.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "io/expect_error.h"

namespace steadyflux::bench {
namespace {

constexpr const char* kModel = "tests/golden/data/guided_cfg_sharded/model";

class StepBenchTest : public testing::Test {
 protected:
  StepBenchTest() : model_(open_model(kModel)), backend_(processor_backend(2)) {}

  Job job(int num_steps) const {
    Request request;
    request.width = 64;
    request.height = 32;
    request.max_sequence_length = 9;
    return make_step_job(model_, {}, request, num_steps);
  }

  OpenModel model_;
  std::unique_ptr<Backend> backend_;
};

double flops_of(const Trace& trace, std::string_view name) {
  const auto found =
      std::find_if(trace.ops.begin(), trace.ops.end(), [&](const OpTotal& op) { return op.name == name; });
  return found == trace.ops.end() ? 0 : found->cost.flops;
}

// Notes what it is told; cancels when `cancel_at` steps are done.
class Recorder final : public Observer {
 public:
  void on_phase(std::string_view phase) override { phases.emplace_back(phase); }
  void on_step(int step, int, double, std::uint64_t) override { last_step = step; }
  bool cancelled() override { return last_step >= cancel_at; }

  std::vector<std::string> phases;
  int last_step = 0;
  int cancel_at = 1000;
};

TEST_F(StepBenchTest, TheJobIsOfTheSizeAskedFor) {
  const Job made = job(3);
  EXPECT_EQ(made.width, 64);
  EXPECT_EQ(made.height, 32);
  EXPECT_EQ(made.num_steps(), 3);
  EXPECT_EQ(made.max_sequence_length, 9);
  EXPECT_TRUE(made.from_embeds);
  Request request;
  request.max_sequence_length = 100'000;
  expect_error(ErrorCode::kInvalidArgument, "max_sequence_length", [&] { make_step_job(model_, {}, request, 1); });
}

TEST_F(StepBenchTest, TheTraceIsOfOneStepAlone) {
  const Trace one = trace_of_step(*backend_, model_, job(1));
  const Trace many = trace_of_step(*backend_, model_, job(8));
  EXPECT_EQ(one.total.flops, many.total.flops);
  EXPECT_GT(flops_of(one, "attention"), 0);
  EXPECT_EQ(flops_of(one, "conv2d"), 0) << "nothing is decoded";
  double gemm_flops = 0;
  for (const GemmShape& shape : gemms_of(one)) gemm_flops += shape.flops();
  EXPECT_EQ(gemm_flops, flops_of(one, "linear_many"));
}

TEST_F(StepBenchTest, TimesEveryStepButTheFirst) {
  const Job made = job(4);
  GemmProbe probe(gemms_of(trace_of_step(*backend_, model_, made)), DType::kF32, 1);
  Recorder recorder;
  const auto rounds = time_steps(*backend_, model_, made, &probe, recorder);
  ASSERT_EQ(rounds.size(), 3u);
  for (const StepRound& round : rounds) {
    EXPECT_GT(round.step_seconds, 0);
    EXPECT_GT(round.gemm_seconds, 0);
    EXPECT_GT(round.profile.of(ops::OpClass::kLinear).seconds, 0);
  }
  EXPECT_EQ(rounds[2].profile.of(ops::OpClass::kAttention).cost.flops,
            flops_of(trace_of_step(*backend_, model_, made), "attention"));
  EXPECT_EQ(recorder.phases, (std::vector<std::string>{"modulate", "denoise"}));
}

TEST_F(StepBenchTest, EndsWhenCancelled) {
  const Job made = job(50);
  GemmProbe probe({{4, 4, 4, 1}}, DType::kF32, 1);
  Recorder recorder;
  recorder.cancel_at = 3;
  EXPECT_EQ(time_steps(*backend_, model_, made, &probe, recorder).size(), 2u);
}

}  // namespace
}  // namespace steadyflux::bench
