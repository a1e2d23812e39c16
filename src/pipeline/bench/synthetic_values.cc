#include "pipeline/bench/synthetic_values.h"

#include "base/bf16.h"
#include "base/error.h"
#include "base/half.h"

namespace steadyflux::bench {
namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15u;

// The output function of splitmix64 (Steele, Lea, Flood 2014): every bit of the result depends on every bit of `x`.
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// The sum of four uniform integers in [0, 65535], which has mean kSumMean and variance (65536^2 - 1) / 3.
constexpr std::int32_t uniform_sum(std::uint64_t bits) {
  return static_cast<std::int32_t>((bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48));
}
constexpr std::int32_t kSumMean = 2 * 65535;
constexpr float kInverseSumDeviation = 2.6428985e-5f;  // sqrt(3 / (65536^2 - 1))

template <typename T, typename Round>
void fill(const ValueSequence& sequence, std::uint64_t first, std::span<T> out, Round round) {
  const float scale = sequence.deviation * kInverseSumDeviation;
  std::uint64_t counter = sequence.key + first * kGolden;
  for (T& value : out) {
    counter += kGolden;
    value = round(sequence.mean + scale * static_cast<float>(uniform_sum(mix(counter)) - kSumMean));
  }
}

template <typename T>
std::span<T> elements(std::span<std::byte> bytes) {
  return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
}

}  // namespace

std::uint64_t sequence_key(std::uint64_t seed, std::string_view name) {
  std::uint64_t key = mix(seed + kGolden);
  for (const char c : name) key = mix(key ^ static_cast<unsigned char>(c)) + kGolden;
  return key;
}

void fill_values(const ValueSequence& sequence, std::uint64_t first, std::span<float> out) {
  fill(sequence, first, out, [](float value) { return value; });
}

void fill_values(const ValueSequence& sequence, std::uint64_t first, DType dtype, std::span<std::byte> out) {
  switch (dtype) {
    case DType::kF32:
      return fill_values(sequence, first, elements<float>(out));
    case DType::kBF16:
      return fill(sequence, first, elements<BFloat16>(out), bf16_from_float);
    case DType::kF16:
      return fill(sequence, first, elements<Half>(out), half_from_float);
    default:
      fail(ErrorCode::kInternal, "internal error: values are made in f32, f16 and bf16, not in ", dtype_name(dtype));
  }
}

PageRegion normal_operand(std::uint64_t seed, DType dtype, std::int64_t count) {
  const auto num_bytes = static_cast<std::size_t>(count) * dtype_bytes(dtype);
  PageRegion region(num_bytes);
  fill_values({.key = sequence_key(seed, "operand"), .mean = 0, .deviation = 1}, 0, dtype,
              region.bytes().first(num_bytes));
  return region;
}

}  // namespace steadyflux::bench
