// Between packed latents, pixels and 8-bit images.
#include <cmath>

#include "backend/reference/elements.h"
#include "backend/reference/kernels.h"

namespace steadyflux::reference {
namespace {

// Calls f(image element, packed row, packed column) for each element of an image.
template <typename F>
void for_each_packed(const Tensor& image, F&& f) {
  const std::int64_t width = image.dim(1);
  const std::int64_t channels = image.dim(2);
  for (std::int64_t y = 0; y < image.dim(0); ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        f((y * width + x) * channels + channel, y / 2 * (width / 2) + x / 2, 4 * channel + 2 * (y % 2) + x % 2);
      }
    }
  }
}

float rounded_to(DType dtype, float value) { return dtype == DType::kBF16 ? round_to_bf16(value) : value; }

}  // namespace

void compute(const ops::UnpackLatents& op) {
  for_each_packed(op.image, [&](std::int64_t pixel, std::int64_t row, std::int64_t column) {
    store(op.image, pixel,
          load(op.packed, row, column) * static_cast<double>(op.scale) + static_cast<double>(op.shift));
  });
}

void compute(const ops::PackLatents& op) {
  for_each_packed(op.image, [&](std::int64_t pixel, std::int64_t row, std::int64_t column) {
    store(op.packed, row, column,
          (load(op.image, pixel) + static_cast<double>(op.shift)) * static_cast<double>(op.scale));
  });
}

void compute(const ops::ToRgb8& op) {
  for (std::int64_t y = 0; y < op.x.dim(0); ++y) {
    for (std::int64_t i = 0; i < op.x.dim(1) * op.x.dim(2); ++i) {
      const float level = rounded_to(op.x.dtype, static_cast<float>(load(op.x, y, i)) / 2 + 0.5f);
      const float clamped = std::fmin(std::fmax(level, 0.0f), 1.0f);
      // nearbyint rounds halves to even in the default rounding mode.
      op.out.as<std::uint8_t>()[y * op.out.row_stride() + i] =
          static_cast<std::uint8_t>(std::nearbyint(255.0f * clamped));
    }
  }
}

}  // namespace steadyflux::reference
