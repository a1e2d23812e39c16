// Attention of bf16 on Hopper's tensor cores (sm_90a alone).
#include "backend/cuda/hopper_attention.cuh"

#include <algorithm>

#include "backend/cuda/attention.h"
#include "backend/cuda/tensor_map.h"
#include "base/checked.h"

namespace steadyflux::cuda {
namespace {

constexpr float kLog2E = 1.4426950408889634f;

using Tiles = hopper::Tiling<128, 2>;

}  // namespace

bool hopper_attention_takes(const ops::Attention& op) noexcept {
  return op.q.dim(2) == hopper::kHeadDim && is_mappable(op.q) && is_mappable(op.k) && is_mappable(op.v) &&
         view_of(op.out).whole_quads && op.relative_bias.empty() && !op.causal && op.scale > 0;
}

void launch_hopper_attention(const ops::Attention& op, int num_multiprocessors, cudaStream_t stream) {
  const hopper::AttentionParameters parameters = {.q = make_tensor_map(op.q, hopper::kQueries),
                                                  .k = make_tensor_map(op.k, Tiles::kKeys),
                                                  .v = make_tensor_map(op.v, Tiles::kKeys),
                                                  .out = view_of(op.out),
                                                  .q_rows = static_cast<int>(op.q.dim(0)),
                                                  .kv_rows = static_cast<int>(op.k.dim(0)),
                                                  .heads = static_cast<int>(op.q.dim(1)),
                                                  .scale = op.scale * kLog2E};
  const std::int64_t tiles = ceil_div(op.q.dim(0), hopper::kQueries) * op.q.dim(1);
  const auto blocks = static_cast<unsigned>(std::min<std::int64_t>(tiles, num_multiprocessors));
  const auto kernel = hopper::attention<Tiles>;
  allow_shared_bytes(kernel, hopper::kSharedBytes<Tiles>);
  launch(kernel, dim3(blocks), dim3(hopper::kThreads), hopper::kSharedBytes<Tiles>, stream, parameters);
}

}  // namespace steadyflux::cuda
