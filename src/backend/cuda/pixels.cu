// Between packed latents, pixels and 8-bit images.
#include "backend/cuda/grid.cuh"
#include "backend/cuda/kernels.h"

namespace steadyflux::cuda {
namespace {

// Where an element of an image, [height, width * channels], lies among the packed ones.
struct Packing {
  std::int64_t width;
  int channels;

  struct Place {
    std::int64_t row, column;
  };
  __device__ Place of(std::int64_t y, std::int64_t element) const {
    const std::int64_t x = element / channels;
    const std::int64_t channel = element - x * channels;
    return {y / 2 * (width / 2) + x / 2, 4 * channel + 2 * (y % 2) + x % 2};
  }
};

struct Unpack {
  View packed, image;
  Packing packing;
  float scale, shift;

  __device__ void operator()(std::int64_t row, std::int64_t column, int count) const {
    for (int i = 0; i < count; ++i) {
      const Packing::Place place = packing.of(row, column + i);
      store(image, row, column + i, load(packed, place.row, place.column) * scale + shift);
    }
  }
};

struct Pack {
  View image, packed;
  Packing packing;
  float scale, shift;

  __device__ void operator()(std::int64_t row, std::int64_t column, int count) const {
    for (int i = 0; i < count; ++i) {
      const Packing::Place place = packing.of(row, column + i);
      store(packed, place.row, place.column, (load(image, row, column + i) + shift) * scale);
    }
  }
};

struct Rgb {
  View x;
  std::uint8_t* out;
  std::int64_t out_stride;

  __device__ void operator()(std::int64_t row, std::int64_t column, int count) const {
    const Quad quad = load_quad(x, row, column, count);
    for (int i = 0; i < count; ++i) {
      // Halving is exact, so joining it with the sum changes nothing.
      float level = quad.v[i] / 2 + 0.5f;
      if (x.dtype == DType::kBF16) level = rounded_to_bf16(level);
      const float clamped = fminf(fmaxf(level, 0.0f), 1.0f);
      out[row * out_stride + column + i] = static_cast<std::uint8_t>(rintf(255.0f * clamped));
    }
  }
};

Packing packing_of(const Tensor& image) { return {image.dim(1), static_cast<int>(image.dim(2))}; }

}  // namespace

void launch(const ops::UnpackLatents& op, cudaStream_t stream) {
  launch_on_quads(op.image.dim(0), op.image.dim(1) * op.image.dim(2), stream,
                  Unpack{view_of(op.packed), view_of(op.image), packing_of(op.image), op.scale, op.shift});
}

void launch(const ops::PackLatents& op, cudaStream_t stream) {
  launch_on_quads(op.image.dim(0), op.image.dim(1) * op.image.dim(2), stream,
                  Pack{view_of(op.image), view_of(op.packed), packing_of(op.image), op.scale, op.shift});
}

void launch(const ops::ToRgb8& op, cudaStream_t stream) {
  launch_on_quads(op.x.dim(0), op.x.dim(1) * op.x.dim(2), stream,
                  Rgb{view_of(op.x), op.out.as<std::uint8_t>(), op.out.row_stride()});
}

}  // namespace steadyflux::cuda
