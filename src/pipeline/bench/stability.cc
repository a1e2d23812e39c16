#include "pipeline/bench/stability.h"

#include <algorithm>

#include "base/error.h"
#include "pipeline/bench/gemm_probe.h"

namespace steadyflux::bench {

std::vector<double> normalised_seconds(std::span<const StabilityRun> runs) {
  std::vector<double> probes;
  for (const StabilityRun& run : runs) probes.push_back(run.probe_seconds);
  const double usual = median(probes);
  std::vector<double> seconds;
  for (const StabilityRun& run : runs) seconds.push_back(run.seconds * usual / run.probe_seconds);
  return seconds;
}

double theil_sen_percent(std::span<const double> values) {
  ensure(values.size() >= 2, "the slope of a point");
  std::vector<double> slopes;
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = i + 1; j < values.size(); ++j) {
      slopes.push_back((values[j] - values[i]) / static_cast<double>(j - i));
    }
  }
  return 100 * median(slopes) / median({values.begin(), values.end()});
}

double last_to_first(std::span<const double> values, std::size_t count) {
  ensure(values.size() >= 2, "the end of a point");
  const std::size_t num = std::min(count, values.size() / 2);
  const auto first = values.first(num);
  const auto last = values.last(num);
  return median({last.begin(), last.end()}) / median({first.begin(), first.end()});
}

std::uint64_t span_of(std::span<const std::uint64_t> values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return *most - *least;
}

}  // namespace steadyflux::bench
