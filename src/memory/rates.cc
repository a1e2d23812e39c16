#include "memory/rates.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

namespace steadyflux {
namespace {

constexpr std::array kOpRates = {&OpRates::linear_flops, &OpRates::int8_flops, &OpRates::attention_flops,
                                 &OpRates::conv_flops, &OpRates::other_bytes};
constexpr std::array kOpTypes = {&Rates::f32, &Rates::bf16};
constexpr std::array kMachineRates = {&Rates::disk_bytes, &Rates::copy_bytes, &Rates::touch_bytes};

template <typename RateOf>
double median(std::span<const Rates> rates, RateOf rate_of) {
  std::vector<double> values;
  for (const Rates& each : rates) values.push_back(rate_of(each));
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

Rates median_rates(std::span<const Rates> rates) {
  Rates result;
  for (const auto type : kOpTypes) {
    for (const auto rate : kOpRates) {
      result.*type.*rate = median(rates, [&](const Rates& each) { return each.*type.*rate; });
    }
  }
  for (const auto rate : kMachineRates) result.*rate = median(rates, [&](const Rates& each) { return each.*rate; });
  return result;
}

Rates default_rates(int threads) {
  constexpr double kGiga = 1e9;
  const double workers = std::max(threads, 1);
  Rates rates;
  rates.f32 = {.linear_flops = 60 * kGiga * workers,
               .int8_flops = 75 * kGiga * workers,
               .attention_flops = 40 * kGiga * workers,
               .conv_flops = 90 * kGiga * workers,
               .other_bytes = 8 * kGiga};
  rates.bf16 = rates.f32;
  rates.disk_bytes = 2 * kGiga;
  rates.copy_bytes = 12 * kGiga;
  rates.touch_bytes = 3 * kGiga;
  return rates;
}

}  // namespace steadyflux
