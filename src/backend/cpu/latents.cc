#include <algorithm>
#include <cmath>

#include "backend/cpu/pixel_ops.h"
#include "backend/cpu/rows.h"
#include "base/bf16.h"

namespace steadyflux::cpu {
namespace {

// One row of packed latents is a 2 x 2 square of pixels: element 4 ch + 2 dy + dx.
// Calls body(packed_index, dy, image_index) for the elements of a square, image_index within row 2 r + dy.
template <typename Body>
void for_square(std::int64_t square, std::int64_t channels, const Body& body) {
  for (std::int64_t dy = 0; dy < 2; ++dy) {
    for (std::int64_t dx = 0; dx < 2; ++dx) {
      for (std::int64_t ch = 0; ch < channels; ++ch) {
        body(4 * ch + 2 * dy + dx, dy, (2 * square + dx) * channels + ch);
      }
    }
  }
}

struct LatentScratch {
  PerWorker<float> packed;  // one row
  PerWorker<float> image;   // two rows of pixels
};

LatentScratch lay_out(const Context& context, const Tensor& image, Arena& arena) {
  const std::int64_t row = image.dim(1) * image.dim(2);
  return {{context, arena, 4 * image.dim(2)}, {context, arena, 2 * row}};
}

std::size_t measure(const Context& context, const Tensor& image) {
  Arena arena = Arena::measuring();
  lay_out(context, image, arena);
  return arena.peak_bytes();
}

}  // namespace

std::size_t scratch_bytes(const Context& context, const ops::UnpackLatents& op) { return measure(context, op.image); }
std::size_t scratch_bytes(const Context& context, const ops::PackLatents& op) { return measure(context, op.image); }

void run(Context& context, const ops::UnpackLatents& op, Arena& arena) {
  const LatentScratch scratch = lay_out(context, op.image, arena);
  const std::int64_t squares = op.image.dim(1) / 2;
  const std::int64_t channels = op.image.dim(2);
  const std::int64_t row_size = op.image.dim(1) * channels;
  context.parallel(op.image.dim(0) / 2, [&](std::int64_t r, int worker) {
    const RunWriter out(row_address(op.image, 2 * r), op.image.dtype, scratch.image[worker]);
    float* image = out.values();
    for (std::int64_t square = 0; square < squares; ++square) {
      const float* packed = widen(row_address(op.packed, r * squares + square), op.packed.dtype, scratch.packed[worker],
                                  static_cast<std::size_t>(4 * channels));
      for_square(square, channels, [&](std::int64_t from, std::int64_t dy, std::int64_t to) {
        image[dy * row_size + to] = packed[from] * op.scale + op.shift;
      });
    }
    out.store(2 * row_size);
  });
}

void run(Context& context, const ops::PackLatents& op, Arena& arena) {
  const LatentScratch scratch = lay_out(context, op.image, arena);
  const std::int64_t squares = op.image.dim(1) / 2;
  const std::int64_t channels = op.image.dim(2);
  const std::int64_t row_size = op.image.dim(1) * channels;
  context.parallel(op.image.dim(0) / 2, [&](std::int64_t r, int worker) {
    const float* image = widen(row_address(op.image, 2 * r), op.image.dtype, scratch.image[worker],
                               static_cast<std::size_t>(2 * row_size));
    for (std::int64_t square = 0; square < squares; ++square) {
      const RunWriter out(row_address(op.packed, r * squares + square), op.packed.dtype, scratch.packed[worker]);
      for_square(square, channels, [&](std::int64_t to, std::int64_t dy, std::int64_t from) {
        out.values()[to] = (image[dy * row_size + from] + op.shift) * op.scale;
      });
      out.store(4 * channels);
    }
  });
}

std::size_t scratch_bytes(const Context& context, const ops::ToRgb8& op) {
  Arena arena = Arena::measuring();
  PerWorker<float>(context, arena, op.x.dim(1) * op.x.dim(2));
  return arena.peak_bytes();
}

void run(Context& context, const ops::ToRgb8& op, Arena& arena) {
  const std::int64_t count = op.x.dim(1) * op.x.dim(2);
  const PerWorker<float> scratch(context, arena, count);
  context.parallel(op.x.dim(0), [&](std::int64_t row, int worker) {
    const float* x = widen(row_address(op.x, row), op.x.dtype, scratch[worker], static_cast<std::size_t>(count));
    auto* out = reinterpret_cast<std::uint8_t*>(row_address(op.out, row));
    for (std::int64_t i = 0; i < count; ++i) {
      const float half = x[i] / 2 + 0.5f;
      const float rounded = op.x.dtype == DType::kBF16 ? round_to_bf16(half) : half;
      out[i] = static_cast<std::uint8_t>(std::lrint(255.0f * std::clamp(rounded, 0.0f, 1.0f)));
    }
  });
}

}  // namespace steadyflux::cpu
