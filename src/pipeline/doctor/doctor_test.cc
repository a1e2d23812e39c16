#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "backend/cpu/cpu_backend.h"
#include "pipeline/doctor/examine.h"
#include "pipeline/doctor/op_rates.h"
#include "platform/temporary_dir.h"

namespace steadyflux::doctor {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

// A machine with nothing to complain of.
Examination healthy() {
  Examination found;
  found.memory.total_bytes = 16 * kGiB;
  found.memory.available_bytes = 15 * kGiB;
  found.auto_budget_bytes = 14 * kGiB;
  found.bf16_products = true;
  found.device = "cpu";
  found.instruction_set = "avx512_core_bf16";
  found.rates = default_rates(8);
  found.rates.disk_bytes = 3e9;
  found.file_systems.push_back({"model", "/models", 100 * kGiB, DiskRate{true, 3e9}});
  return found;
}

bool advises(const Examination& found, std::string_view words) {
  const auto advice = advise(found);
  return std::any_of(advice.begin(), advice.end(),
                     [&](const std::string& line) { return line.find(words) != std::string::npos; });
}

TEST(Advice, AHealthyMachineOnlyLearnsItsBudget) {
  EXPECT_EQ(advise(healthy()).size(), 1u);
  EXPECT_TRUE(advises(healthy(), "14.0 GiB"));
}

TEST(Advice, MemoryThatOthersHoldLowersTheBudget) {
  Examination found = healthy();
  found.memory.available_bytes = 5 * kGiB;
  EXPECT_TRUE(advises(found, "--ram 5120M"));
}

TEST(Advice, SwapCallsForABudgetAndForLocking) {
  Examination found = healthy();
  found.memory.swap_total_bytes = 8 * kGiB;
  EXPECT_TRUE(advises(found, "swap is on (8.00 GiB)"));
  EXPECT_FALSE(advises(found, "ulimit -l"));
  found.lock_limit_bytes = 8 * kMiB;
  EXPECT_TRUE(advises(found, "ulimit -l"));
}

TEST(Advice, ASlowDiskAndOneWithoutDirectReadsAreNamed) {
  Examination found = healthy();
  found.rates.disk_bytes = 1e8;
  EXPECT_TRUE(advises(found, "the disk reads 95.4 MiB a second"));
  found.file_systems[0].rate->direct = false;
  EXPECT_TRUE(advises(found, "model's file system refuses direct reads"));
}

TEST(Advice, AProcessorWithoutBf16IsNamed) {
  Examination found = healthy();
  found.bf16_products = false;
  EXPECT_TRUE(advises(found, "no bf16 products"));
}

TEST(Examination, IsTextAndJson) {
  Examination found = healthy();
  found.memory.group_limit_bytes = 8 * kGiB;
  found.advice = advise(found);
  const std::string text = to_text(found);
  EXPECT_NE(text.find("control group"), std::string::npos);
  EXPECT_NE(text.find("/models: 100 GiB free, direct reads at 3.00 GB/s"), std::string::npos) << text;
  const auto json = nlohmann::json::parse(to_json(found));
  EXPECT_EQ(json.at("group_limit_bytes"), 8 * kGiB);
  EXPECT_TRUE(json.at("lock_limit_bytes").is_null());
  EXPECT_EQ(json.at("rates").at("f32").at("linear_flops"), found.rates.f32.linear_flops);
  EXPECT_EQ(json.at("file_systems")[0].at("direct_reads"), true);
}

TEST(Examination, OfADiscreteDeviceHasItsMemoryAndCopyRate) {
  Examination found = healthy();
  found.device = "card";
  EXPECT_EQ(to_text(found).find("device memory"), std::string::npos);
  EXPECT_TRUE(nlohmann::json::parse(to_json(found)).at("device_memory").is_null());
  found.discrete = {8 * kGiB, 256 * kMiB, 7680 * kMiB};
  found.rates.copy_bytes = 2.4e10;
  const std::string text = to_text(found);
  EXPECT_NE(text.find("card with 8.00 GiB, copies to it at 24.0 GB/s"), std::string::npos) << text;
  EXPECT_TRUE(advises(found, "--vram auto takes 7.50 GiB"));
  const auto json = nlohmann::json::parse(to_json(found));
  EXPECT_EQ(json.at("device_memory").at("total_bytes"), 8 * kGiB);
  EXPECT_EQ(json.at("device_memory").at("auto_budget_bytes"), 7680 * kMiB);
  EXPECT_EQ(json.at("rates").at("copy_bytes"), 2.4e10);
}

TEST(Examination, MeasuresCopiesToADeviceAndRatesOnIt) {
  const TemporaryDir directory("doctor_test");
  Settings settings;
  settings.model = settings.cache = directory.path();
  settings.seconds = 0.001;
  settings.device = "simulated";
  settings.simulated_device.copy_bytes_per_second = 1e9;
  const Examination found = examine(settings);
  EXPECT_EQ(found.device, "simulated");
  ASSERT_TRUE(found.discrete);
  EXPECT_EQ(found.discrete->memory_bytes, settings.simulated_device.memory_bytes);
  EXPECT_LE(found.rates.copy_bytes, 1e9);
  EXPECT_GT(found.rates.copy_bytes, 1e8);
  EXPECT_GT(found.rates.bf16.linear_flops, 1e6);
  settings.device = "cpu";
  EXPECT_FALSE(examine(settings).discrete);
}

TEST(DiskRate, ReadsALargeFileAndNoSmallOne) {
  const TemporaryDir directory("doctor_test");
  const DiskRate rate = measure_directory(directory.path(), 0.2);
  EXPECT_GT(rate.bytes_per_second, 1e6);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  const auto small = directory.path() / "small";
  std::ofstream(small) << "small";
  EXPECT_EQ(measure_file(small, 0.2).bytes_per_second, 0);
}

TEST(OpRates, AreAllMeasured) {
  const auto backend = make_cpu_backend({.num_threads = 1});
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const OpRates rates = measure_op_rates(*backend, dtype, 0.001);
    for (const double rate :
         {rates.linear_flops, rates.int8_flops, rates.attention_flops, rates.conv_flops, rates.other_bytes}) {
      EXPECT_GT(rate, 1e6);
    }
  }
  EXPECT_GT(measure_copy_rate(1, 0.001), 1e6);
}

}  // namespace
}  // namespace steadyflux::doctor
