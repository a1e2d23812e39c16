// Sums, gates and the sampler's steps.
#include "backend/cuda/grid.cuh"
#include "backend/cuda/kernels.h"

namespace steadyflux::cuda {
namespace {

struct Gate {
  View gate, up;
  ops::Activation activation;
  View out;

  __device__ void operator()(std::int64_t row, std::int64_t column, int count) const {
    Quad quad = load_quad(gate, row, column, count);
    const Quad factor = load_quad(up, row, column, count);
#pragma unroll
    for (int i = 0; i < kQuad; ++i) quad.v[i] = activate(activation, quad.v[i]) * factor.v[i];
    store_quad(out, row, column, count, quad);
  }
};

struct Sum {
  View a, b;
  ops::Activation activation;
  View out;

  __device__ void operator()(std::int64_t row, std::int64_t column, int count) const {
    Quad quad = load_quad(a, row, column, count);
    if (b) {
      const Quad other = load_quad(b, row, column, count);
#pragma unroll
      for (int i = 0; i < kQuad; ++i) quad.v[i] = rounded_sum(quad.v[i], other.v[i]);
    }
#pragma unroll
    for (int i = 0; i < kQuad; ++i) quad.v[i] = activate(activation, quad.v[i]);
    store_quad(out, row, column, count, quad);
  }
};

struct Euler {
  View latents, velocity;
  float dt;
  bool round_product;

  __device__ void operator()(std::int64_t row, std::int64_t column, int count) const {
    Quad quad = load_quad(latents, row, column, count);
    const Quad speed = load_quad(velocity, row, column, count);
#pragma unroll
    for (int i = 0; i < kQuad; ++i) {
      const float product = rounded_product(dt, speed.v[i]);
      quad.v[i] = round_product ? rounded_to_bf16(rounded_sum(quad.v[i], rounded_to_bf16(product)))
                                : rounded_sum(quad.v[i], product);
    }
    store_quad(latents, row, column, count, quad);
  }
};

struct Guide {
  View positive, negative;
  float scale;
  View out;

  __device__ float rounded(float value) const { return out.dtype == DType::kBF16 ? rounded_to_bf16(value) : value; }

  __device__ void operator()(std::int64_t row, std::int64_t column, int count) const {
    Quad quad = load_quad(positive, row, column, count);
    const Quad from = load_quad(negative, row, column, count);
#pragma unroll
    for (int i = 0; i < kQuad; ++i) {
      const float difference = rounded(rounded_sum(quad.v[i], -from.v[i]));
      quad.v[i] = rounded(rounded_sum(from.v[i], rounded(rounded_product(scale, difference))));
    }
    store_quad(out, row, column, count, quad);
  }
};

}  // namespace

void launch(const ops::Glu& op, cudaStream_t stream) {
  launch_on_quads(op.out.dim(0), op.out.dim(1), stream,
                  Gate{view_of(op.gate), view_of(op.up), op.activation, view_of(op.out)});
}

void launch(const ops::Add& op, cudaStream_t stream) {
  View b = view_of(op.b);
  if (b && op.b.dim(0) == 1) b.row_stride = 0;  // one row for all of them
  launch_on_quads(op.out.dim(0), op.out.dim(1), stream, Sum{view_of(op.a), b, op.activation, view_of(op.out)});
}

void launch(const ops::EulerStep& op, cudaStream_t stream) {
  launch_on_quads(op.latents.dim(0), op.latents.dim(1), stream,
                  Euler{view_of(op.latents), view_of(op.velocity), op.dt, op.round_product});
}

void launch(const ops::TrueCfg& op, cudaStream_t stream) {
  launch_on_quads(op.out.dim(0), op.out.dim(1), stream,
                  Guide{view_of(op.positive), view_of(op.negative), op.scale, view_of(op.out)});
}

}  // namespace steadyflux::cuda
