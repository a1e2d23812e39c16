#include "sampling/noise.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace steadyflux::sampling {
namespace {

// PyTorch makes long runs of noise in blocks of 16: 8 radii from the first half, 8 angles from the second.
constexpr std::size_t kBlock = 16;
constexpr std::size_t kHalfBlock = kBlock / 2;

// The functions below are the single-precision approximations of the Cephes library (S. Moshier), with each product and
// sum fused as the reference's compiler fuses them. std::fma is written out because the bits depend on it; `a * b + c`
// would leave them to compiler flags.

// c[0] x^n + … + c[n] by Horner's rule.
template <std::size_t num_coefficients>
float polynomial(const std::array<float, num_coefficients>& c, float x) {
  float sum = c[0];
  for (std::size_t i = 1; i < num_coefficients; ++i) sum = std::fma(sum, x, c[i]);
  return sum;
}

// ln x for a normal number x > 0: x = 2^e (1 + r) with 1 + r in [sqrt(1/2), sqrt(2)).
float cephes_log(float x) {
  constexpr std::array kCoefficients = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                                        -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                                        2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
  constexpr float kLn2High = 0.693359375f;  // few enough bits that e * kLn2High is exact
  constexpr float kLn2Low = -2.12194440e-4f;
  int exponent = 0;
  const float mantissa = std::frexp(x, &exponent);
  const bool low = mantissa < 0.5f * std::numbers::sqrt2_v<float>;
  const float e = static_cast<float>(low ? exponent - 1 : exponent);
  const float r = low ? (mantissa - 1.0f) + mantissa : mantissa - 1.0f;
  const float r2 = r * r;
  // ln(1 + r) = r - r²/2 + r³ P(r), the small terms first.
  const float cubic = polynomial(kCoefficients, r) * r;
  const float correction = std::fma(-0.5f, r2, std::fma(cubic, r2, e * kLn2Low));
  return std::fma(e, kLn2High, r + correction);
}

struct SinCos {
  float sin;
  float cos;
};

// Sine and cosine of an angle in [0, 2π].
SinCos cephes_sin_cos(float angle) {
  constexpr std::array kSinCoefficients = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
  constexpr std::array kCosCoefficients = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};
  // π/4 in three parts, so that the reduction loses no bits.
  constexpr std::array kQuarterPi = {0.78515625f, 2.4187564849853515625e-4f, 3.77489497744594108e-8f};
  constexpr float kOctantsPerRadian = 4.0f * std::numbers::inv_pi_v<float>;

  // The nearest even multiple of π/4: what remains is in [-π/4, π/4].
  const int octant = (static_cast<int>(angle * kOctantsPerRadian) + 1) & ~1;
  float x = angle;
  for (const float part : kQuarterPi) x = std::fma(static_cast<float>(-octant), part, x);

  const float x2 = x * x;
  const float cos_x = std::fma(polynomial(kCosCoefficients, x2) * x2, x2, -0.5f * x2) + 1.0f;
  const float sin_x = std::fma(polynomial(kSinCoefficients, x2) * x2, x, x);
  switch ((octant / 2) % 4) {
    case 0:
      return {sin_x, cos_x};
    case 1:
      return {cos_x, -sin_x};
    case 2:
      return {-sin_x, -cos_x};
    default:
      return {-cos_x, sin_x};
  }
}

// Turns a block of uniforms in [0, 1) into normals in place (Box and Muller): element j holds the cosine, j + 8 the
// sine.
void box_muller(std::span<float, kBlock> block) {
  constexpr float kTwoPi = 2.0f * std::numbers::pi_v<float>;
  for (std::size_t j = 0; j < kHalfBlock; ++j) {
    const float radius = std::sqrt(-2.0f * cephes_log(1.0f - block[j]));
    const SinCos direction = cephes_sin_cos(kTwoPi * block[j + kHalfBlock]);
    block[j] = radius * direction.cos + 0.0f;  // adding the mean turns -0 into 0
    block[j + kHalfBlock] = radius * direction.sin + 0.0f;
  }
}

}  // namespace

TorchGenerator::TorchGenerator(std::uint64_t seed)
    : engine_(static_cast<std::mt19937::result_type>(seed & 0xFFFFFFFFu)) {}

float TorchGenerator::uniform_24_bits() { return static_cast<float>(engine_() & 0xFFFFFFu) * 0x1p-24f; }

double TorchGenerator::uniform_53_bits() {
  const std::uint64_t high = engine_();
  const std::uint64_t low = engine_();
  return static_cast<double>(((high << 32) | low) & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
}

// Short runs come from pairs in double precision; the second of a pair waits for the next call.
double TorchGenerator::next_normal() {
  if (cached_normal_) {
    const double normal = *cached_normal_;
    cached_normal_.reset();
    return normal;
  }
  const double angle = 2.0 * std::numbers::pi * uniform_53_bits();
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform_53_bits()));
  cached_normal_ = radius * std::sin(angle);
  return radius * std::cos(angle) + 0.0;
}

void TorchGenerator::randn(std::span<float> out) {
  if (out.size() < kBlock) {
    for (float& value : out) value = static_cast<float>(next_normal());
    return;
  }
  for (float& value : out) value = uniform_24_bits();
  for (std::size_t i = 0; i + kBlock <= out.size(); i += kBlock) box_muller(out.subspan(i).first<kBlock>());
  if (out.size() % kBlock == 0) return;
  // The last 16 are drawn anew, over the end of the last whole block.
  const auto tail = out.last<kBlock>();
  for (float& value : tail) value = uniform_24_bits();
  box_muller(tail);
}

void TorchGenerator::randn(std::span<BFloat16> out) {
  if (out.size() < kBlock) {
    for (BFloat16& value : out) value = bf16_from_float(static_cast<float>(next_normal()));
    return;
  }
  const auto draw_block = [this](std::span<BFloat16, kBlock> target) {
    std::array<float, kBlock> block;
    for (float& value : block) value = uniform_24_bits();
    box_muller(block);
    for (std::size_t j = 0; j < kBlock; ++j) target[j] = bf16_from_float(block[j]);
  };
  for (std::size_t i = 0; i + kBlock <= out.size(); i += kBlock) draw_block(out.subspan(i).first<kBlock>());
  if (out.size() % kBlock != 0) draw_block(out.last<kBlock>());
}

void torch_randn(std::uint64_t seed, std::span<float> out) { TorchGenerator(seed).randn(out); }

void torch_randn_bf16(std::uint64_t seed, std::span<BFloat16> out) { TorchGenerator(seed).randn(out); }

}  // namespace steadyflux::sampling
