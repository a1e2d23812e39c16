#include "pipeline/rates_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

constexpr const char* kDevice = "cpu";
constexpr int kThreads = 3;

Rates some_rates() {
  Rates rates = default_rates(kThreads);
  rates.f32.linear_flops = 1.5e11;
  rates.bf16.conv_flops = 2.25e11;
  rates.disk_bytes = 7e8;
  rates.copy_bytes = 2.5e10;
  return rates;
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(RatesFile, GivesBackWhatWasSaved) {
  const TemporaryDir directory("rates_file");
  const auto path = directory.path() / "made/for/it/rates.json";
  save_rates(path, some_rates(), kDevice, kThreads);
  const auto rates = load_rates(path, kDevice, kThreads);
  ASSERT_TRUE(rates.has_value());
  EXPECT_EQ(rates_json(*rates, kDevice, kThreads), rates_json(some_rates(), kDevice, kThreads));
  EXPECT_EQ(rates->f32.linear_flops, 1.5e11);
  EXPECT_EQ(rates->bf16.conv_flops, 2.25e11);
  EXPECT_EQ(rates->copy_bytes, 2.5e10);
}

TEST(RatesFile, OfADeviceThatUsesTheHostsMemoryHasNoCopyRate) {
  const TemporaryDir directory("rates_file");
  const auto path = directory.path() / "rates.json";
  Rates rates = some_rates();
  rates.copy_bytes = 0;
  save_rates(path, rates, kDevice, kThreads);
  const auto loaded = load_rates(path, kDevice, kThreads);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->copy_bytes, 0);
}

TEST(RatesFile, OfAnotherDeviceOrNumberOfThreadsIsNone) {
  const TemporaryDir directory("rates_file");
  const auto path = directory.path() / "rates.json";
  EXPECT_FALSE(load_rates(path, kDevice, kThreads).has_value());
  save_rates(path, some_rates(), kDevice, kThreads);
  EXPECT_FALSE(load_rates(path, kDevice, kThreads + 1).has_value());
  EXPECT_FALSE(load_rates(path, "card", kThreads).has_value());
}

TEST(RatesFile, DamagedInAnyWayIsNone) {
  const TemporaryDir directory("rates_file");
  const auto path = directory.path() / "rates.json";
  save_rates(path, some_rates(), kDevice, kThreads);
  const std::string whole = text_of(path);
  const std::string without_end = whole.substr(0, whole.size() / 2);
  std::string zero = whole;
  zero.replace(zero.find("700000000.0"), 11, "0");
  std::string word = whole;
  word.replace(word.find("700000000.0"), 11, "\"fast\"");
  for (const std::string& damaged : {std::string(), std::string("[]"), without_end, zero, word}) {
    std::ofstream(path) << damaged;
    EXPECT_FALSE(load_rates(path, kDevice, kThreads).has_value()) << damaged;
  }
}

TEST(RatesFile, CannotBeSavedWhereAFileIsInTheWay) {
  const TemporaryDir directory("rates_file");
  std::ofstream(directory.path() / "file") << "x";
  EXPECT_THROW(save_rates(directory.path() / "file/rates.json", some_rates(), kDevice, kThreads), Error);
}

}  // namespace
}  // namespace steadyflux
