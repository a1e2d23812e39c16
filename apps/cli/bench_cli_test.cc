// The program as a user runs it: `steadyflux bench …`.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "platform/temporary_dir.h"

namespace steadyflux::cli {
namespace {

using Json = nlohmann::json;

// Tests run in the source directory.
constexpr const char* kLike = "tests/golden/data/guided_cfg_sharded/model";

struct Outcome {
  int exit_code = -1;
  std::string output;  // of stdout
};

Outcome run_program(const std::string& arguments) {
  const std::string command = std::string(STEADYFLUX_PROGRAM) + " " + arguments + " 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  Outcome outcome;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    outcome.output.append(buffer.data(), n);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  return outcome;
}

TEST(BenchProgram, MakesACheckpointThatItCanMeasure) {
  const TemporaryDir temporary("bench_cli_test");
  const std::string model = (temporary.path() / "model").string();
  const std::string make =
      std::string("bench make-checkpoint --double 1 --single 1 --like ") + kLike + " --out " + model;
  const Outcome made = run_program(make);
  EXPECT_EQ(made.exit_code, 0);
  EXPECT_EQ(made.output, model + "\n");
  EXPECT_EQ(run_program(make).exit_code, 2) << "the directory is not empty now";

  const Outcome step = run_program("bench step --json --size 64x64 --threads 1 --model " + model);
  ASSERT_EQ(step.exit_code, 0);
  const Json json = Json::parse(step.output);
  EXPECT_EQ(json.at("model"), "model");
  EXPECT_EQ(json.at("width"), 64);
  EXPECT_EQ(json.at("step_seconds_each").size(), 7u);
  EXPECT_GT(json.at("step_seconds").get<double>(), 0);
  EXPECT_GT(json.at("gflops").get<double>(), 0);
  EXPECT_GT(json.at("gemm_seconds").get<double>(), 0);
  const double ideal = json.at("gemm_seconds").get<double>() + json.at("attention_seconds_at_gemm_rate").get<double>();
  EXPECT_NEAR(json.at("share").get<double>(), ideal / json.at("step_seconds").get<double>(), 1e-9);
  EXPECT_FALSE(json.at("ops").empty());
  EXPECT_FALSE(json.at("shapes").empty());
}

TEST(BenchProgram, AStepOfADeviceIsNotSetBesideTheProcessorsLibrary) {
  const Outcome step =
      run_program(std::string("bench step --json --size 64x64 --threads 1 --device simulated --model ") + kLike);
  ASSERT_EQ(step.exit_code, 0);
  const Json json = Json::parse(step.output);
  EXPECT_EQ(json.at("device"), "simulated");
  EXPECT_GT(json.at("step_seconds").get<double>(), 0);
  EXPECT_FALSE(json.at("classes").empty());
  EXPECT_FALSE(json.contains("share"));
  EXPECT_FALSE(json.contains("shapes"));
}

TEST(BenchProgram, StreamsWhatFitsBothWays) {
  const std::string model = std::string(" --model ") + kLike;
  const Outcome stream = run_program("bench stream --json --size 64x64 --threads 1 --count 2 --repeat 2" + model);
  ASSERT_EQ(stream.exit_code, 0);
  const Json json = Json::parse(stream.output);
  EXPECT_EQ(json.at("images"), 2);
  EXPECT_GT(json.at("pass_bytes").get<std::uint64_t>(), 0u);
  for (const char* name : {"disk_bytes_per_second", "stream_bytes_per_second", "resident_seconds", "streamed_seconds",
                           "streamed_to_resident", "share_of_bound"}) {
    EXPECT_GT(json.at(name).get<double>(), 0) << name;
    EXPECT_EQ(json.at(std::string(name) + "_each").size(), 2u) << name;
  }
  EXPECT_EQ(run_program("bench stream --size 64x64 --ram 8G" + model).exit_code, 2) << "nothing to stream";
  EXPECT_EQ(run_program("bench stream --size 64x64 --ram 1M" + model).exit_code, 2) << "does not fit";
}

TEST(BenchProgram, MultipliesTheShapesItIsGiven) {
  const Outcome gemm = run_program("bench gemm --json --threads 1 --shape 8x16x32 --shape '4x4x4*3'");
  ASSERT_EQ(gemm.exit_code, 0);
  const Json json = Json::parse(gemm.output);
  ASSERT_EQ(json.at("shapes").size(), 2u);
  EXPECT_EQ(json.at("shapes")[0].at("k"), 32);
  EXPECT_EQ(json.at("shapes")[1].at("count"), 3);
  EXPECT_EQ(json.at("flops"), 2 * 8 * 16 * 32 + 3 * 2 * 4 * 4 * 4);
  EXPECT_GT(json.at("gflops").get<double>(), 0);
}

TEST(BenchProgram, TakesTheShapesOfAStepOfAModel) {
  const Outcome gemm = run_program(std::string("bench gemm --json --threads 1 --size 64x64 --model ") + kLike);
  ASSERT_EQ(gemm.exit_code, 0);
  EXPECT_GT(Json::parse(gemm.output).at("shapes").size(), 3u);
}

TEST(BenchProgram, ComparesTheTypesOfWeightsItIsGivenWithBf16) {
  const Outcome weights = run_program("bench weights --json --threads 1 --shape 8x16x256 --type q4_k --type nf4");
  ASSERT_EQ(weights.exit_code, 0);
  const Json types = Json::parse(weights.output).at("types");
  ASSERT_EQ(types.size(), 3u);
  EXPECT_EQ(types[0].at("dtype"), "bf16");
  EXPECT_EQ(types[0].at("of_bf16"), 1);
  EXPECT_EQ(types[2].at("dtype"), "nf4");
  EXPECT_GT(types[2].at("of_bf16"), 0);
}

TEST(DoctorProgram, PrintsWhatItFindsAndSavesRatesThatPlansUse) {
  const TemporaryDir temporary("doctor_cli_test");
  setenv("XDG_CACHE_HOME", temporary.path().c_str(), 1);
  const std::filesystem::path own = temporary.path() / "model";
  std::filesystem::copy(kLike, own, std::filesystem::copy_options::recursive);
  const std::string model = " --threads 1 --model " + own.string();
  EXPECT_EQ(Json::parse(run_program("plan --json" + model).output).at("rates"), "default");
  const Outcome doctor = run_program("doctor --json --save --seconds 0.02" + model);
  ASSERT_EQ(doctor.exit_code, 0);
  const Json json = Json::parse(doctor.output);
  EXPECT_GT(json.at("total_bytes"), 0);
  EXPECT_GT(json.at("rates").at("bf16").at("attention_flops"), 0);
  EXPECT_EQ(json.at("file_systems").size(), 2u);
  EXPECT_FALSE(json.at("advice").empty());
  EXPECT_EQ(Json::parse(run_program("plan --json" + model).output).at("rates"), "measured");
  EXPECT_EQ(Json::parse(run_program("plan --json --device simulated" + model).output).at("rates"), "default");
  unsetenv("XDG_CACHE_HOME");
}

TEST(BenchProgram, RefusesBadUsage) {
  EXPECT_EQ(run_program("bench").exit_code, 2);
  EXPECT_EQ(run_program("bench gemm --shape 8x16").exit_code, 2);
  EXPECT_EQ(run_program("bench gemm --shape 8x16x32x4").exit_code, 2);
  EXPECT_EQ(run_program("bench gemm --shape 8x16x32 --size 64x64").exit_code, 2);
  EXPECT_EQ(run_program("bench step --repeat 2").exit_code, 2);
  EXPECT_EQ(run_program("bench weights --shape 8x16x256 --type i32").exit_code, 2) << "no type of weights";
  EXPECT_EQ(run_program("bench weights --shape 8x16x32 --type q4_k").exit_code, 2) << "no whole blocks";
  EXPECT_EQ(run_program("bench weights --shape 8x16x256*2 --type q4_k").exit_code, 2) << "one layer has no count";
  EXPECT_EQ(run_program("bench weights --shape 8x16x256 --type q4_k --compute int8").exit_code, 2) << "no effect";
  EXPECT_EQ(run_program("bench gemm --shape 8x16x32 --compute int8").exit_code, 2) << "no effect";
  EXPECT_EQ(run_program("bench gemm --shape 8x16x32 --transformer x.gguf").exit_code, 2) << "no effect";
  EXPECT_EQ(run_program("bench decode --size 64x64 --compute int8").exit_code, 2) << "no effect";
  EXPECT_EQ(run_program("bench decode --size 100x100").exit_code, 2) << "no whole tokens";
  EXPECT_EQ(run_program("bench decode --size 64x64 --mode 99").exit_code, 2) << "no such place";
  EXPECT_EQ(run_program("bench decode --size 64x64 --mode -1").exit_code, 2) << "no such place";
  for (const char* bench : {"decode", "step", "gemm", "stream"}) {
    EXPECT_EQ(run_program(std::string("bench ") + bench + " --size auto").exit_code, 2) << bench;
  }
  EXPECT_EQ(run_program("bench step --transformer /nowhere.gguf").exit_code, 1) << "the file is opened";
  EXPECT_EQ(run_program("bench make-checkpoint --like /nowhere").exit_code, 2) << "--out is missing";
  EXPECT_EQ(run_program("bench make-checkpoint --like /nowhere --out /nowhere/x").exit_code, 1);
}

}  // namespace
}  // namespace steadyflux::cli
