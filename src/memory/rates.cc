#include "memory/rates.h"

#include <algorithm>

namespace steadyflux {

Rates default_rates(int threads) {
  constexpr double kGiga = 1e9;
  const double workers = std::max(threads, 1);
  Rates rates;
  rates.f32 = {.linear_flops = 60 * kGiga * workers,
               .int8_flops = 75 * kGiga * workers,
               .attention_flops = 40 * kGiga * workers,
               .conv_flops = 45 * kGiga * workers,
               .other_bytes = 8 * kGiga};
  rates.bf16 = rates.f32;
  rates.disk_bytes = 2 * kGiga;
  rates.copy_bytes = 12 * kGiga;
  rates.touch_bytes = 3 * kGiga;
  return rates;
}

}  // namespace steadyflux
