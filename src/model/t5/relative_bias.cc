#include "model/t5/relative_bias.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <span>
#include <vector>

namespace steadyflux {

std::int64_t t5_bucket(const T5Config& config, std::int64_t relative_position) {
  const std::int64_t half = config.num_buckets / 2;
  const std::int64_t direction = relative_position > 0 ? half : 0;
  const std::int64_t distance = std::abs(relative_position);
  const std::int64_t num_exact = half / 2;
  if (distance < num_exact) return direction + distance;
  // In f32, as the reference rounds.
  const float position =
      std::log(static_cast<float>(distance) / static_cast<float>(num_exact)) /
      static_cast<float>(std::log(static_cast<double>(config.max_distance) / static_cast<double>(num_exact))) *
      static_cast<float>(half - num_exact);
  return direction + std::min(half - 1, num_exact + static_cast<std::int64_t>(position));
}

Tensor expand_relative_bias(const Executor& executor, const T5Config& config, const Tensor& table,
                            std::int64_t tokens) {
  const std::int64_t num_distances = 2 * tokens - 1;
  const Tensor expanded = executor.allocate(DType::kF32, {config.num_heads, num_distances});
  const ArenaScope scope(executor.arena());
  const Tensor table_f32 = executor.allocate(DType::kF32, table.shape);
  executor.run(ops::Add{.a = table, .out = table_f32});

  // A few values, once a prompt: the host turns them round.
  const auto num_heads = static_cast<std::size_t>(config.num_heads);
  std::vector<float> by_bucket(static_cast<std::size_t>(table.shape.num_elements()));
  executor.backend().download(table_f32, std::as_writable_bytes(std::span(by_bucket)));
  std::vector<float> by_distance;
  by_distance.reserve(num_heads * static_cast<std::size_t>(num_distances));
  for (std::size_t head = 0; head < num_heads; ++head) {
    for (std::int64_t distance = 1 - tokens; distance < tokens; ++distance) {
      by_distance.push_back(by_bucket[static_cast<std::size_t>(t5_bucket(config, distance)) * num_heads + head]);
    }
  }
  executor.backend().upload(std::as_bytes(std::span(by_distance)), expanded);
  return expanded;
}

}  // namespace steadyflux
