#include "pipeline/rates_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

constexpr int kThreads = 3;

Rates some_rates() {
  Rates rates = default_rates(kThreads);
  rates.f32.linear_flops = 1.5e11;
  rates.bf16.conv_flops = 2.25e11;
  rates.disk_bytes = 7e8;
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
  save_rates(path, some_rates(), kThreads);
  const auto rates = load_rates(path, kThreads);
  ASSERT_TRUE(rates.has_value());
  EXPECT_EQ(rates_json(*rates, kThreads), rates_json(some_rates(), kThreads));
  EXPECT_EQ(rates->f32.linear_flops, 1.5e11);
  EXPECT_EQ(rates->bf16.conv_flops, 2.25e11);
}

TEST(RatesFile, OfAnotherNumberOfThreadsIsNone) {
  const TemporaryDir directory("rates_file");
  const auto path = directory.path() / "rates.json";
  EXPECT_FALSE(load_rates(path, kThreads).has_value());
  save_rates(path, some_rates(), kThreads);
  EXPECT_FALSE(load_rates(path, kThreads + 1).has_value());
}

TEST(RatesFile, DamagedInAnyWayIsNone) {
  const TemporaryDir directory("rates_file");
  const auto path = directory.path() / "rates.json";
  save_rates(path, some_rates(), kThreads);
  const std::string whole = text_of(path);
  const std::string without_end = whole.substr(0, whole.size() / 2);
  std::string zero = whole;
  zero.replace(zero.find("700000000.0"), 11, "0");
  std::string word = whole;
  word.replace(word.find("700000000.0"), 11, "\"fast\"");
  for (const std::string& damaged : {std::string(), std::string("[]"), without_end, zero, word}) {
    std::ofstream(path) << damaged;
    EXPECT_FALSE(load_rates(path, kThreads).has_value()) << damaged;
  }
}

TEST(RatesFile, CannotBeSavedWhereAFileIsInTheWay) {
  const TemporaryDir directory("rates_file");
  std::ofstream(directory.path() / "file") << "x";
  EXPECT_THROW(save_rates(directory.path() / "file/rates.json", some_rates(), kThreads), Error);
}

}  // namespace
}  // namespace steadyflux
