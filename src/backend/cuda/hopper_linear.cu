// Linear layers of integers on Hopper's tensor cores (sm_90a alone).
#include "backend/cuda/hopper_linear.h"

#include <algorithm>

#include "backend/cuda/hopper_linear.cuh"
#include "backend/cuda/tensor_map.h"
#include "base/checked.h"

namespace steadyflux::cuda {
namespace {

static_assert(kMostHopperParts == hopper::kMostParts);

constexpr std::int64_t kMostBandRows = 2048;

bool has_whole_octets(const HopperPart& part) {
  const View& out = part.out;
  const std::int64_t unit = 16 / static_cast<std::int64_t>(dtype_bytes(out.dtype));
  return (out.dtype == DType::kBF16 || part.accumulate) && out.row_stride % unit == 0 &&
         reinterpret_cast<std::uintptr_t>(out.data) % 16 == 0;
}

CUtensorMap map_of(const std::byte* integers, std::int64_t rows, std::int64_t depth, int box_rows) {
  return make_tensor_map({integers, DType::kI8, rows, depth, depth}, box_rows);
}

hopper::PartParameters parameters_of(const HopperLinear& product, const HopperPart& part, int first_tile) {
  return {
      .weight = map_of(part.weight, part.features, product.depth, hopper::kWeightBoxRows),
      .out = part.out,
      .bias = part.bias,
      .gate = part.gate,
      .scales = part.scales,
      .features = static_cast<int>(part.features),
      .first_tile = first_tile,
      .gelu = part.gelu,
      .accumulate = part.accumulate,
      .whole_octets = has_whole_octets(part),
  };
}

// All but how the tiles go into clusters.
hopper::LinearParameters parameters_of(const HopperLinear& product) {
  hopper::LinearParameters parameters = {};
  parameters.x = map_of(product.x, product.rows, product.depth, hopper::kTileRows);
  parameters.x_scales = product.x_scales;
  parameters.num_parts = static_cast<int>(product.parts.size());
  parameters.rows = static_cast<int>(product.rows);
  parameters.steps = static_cast<int>(ceil_div(product.depth, hopper::kBoxRowBytes));
  for (std::size_t i = 0; i < product.parts.size(); ++i) {
    const HopperPart& part = product.parts[i];
    parameters.parts[i] = parameters_of(product, part, parameters.column_tiles);
    parameters.column_tiles += static_cast<int>(ceil_div(part.features, hopper::kTileColumns));
  }
  return parameters;
}

template <int kCluster>
void launch_with(hopper::LinearParameters parameters, int num_multiprocessors, cudaStream_t stream) {
  constexpr int kClusterRows = kCluster * hopper::kTileRows;
  const int clusters = std::max(num_multiprocessors / kCluster, 1);
  parameters.row_tiles = static_cast<int>(ceil_div(parameters.rows, kClusterRows));
  // Bands of about equally many rows.
  const auto bands = ceil_div(parameters.row_tiles, kMostBandRows / kClusterRows);
  parameters.band = static_cast<int>(ceil_div(parameters.row_tiles, bands));
  const int tiles = parameters.row_tiles * parameters.column_tiles;
  const int rest = tiles % clusters;
  parameters.whole_tiles = 2 * rest <= clusters ? tiles - rest : tiles;
  const int count = parameters.whole_tiles + 2 * (tiles - parameters.whole_tiles);
  const auto blocks = static_cast<unsigned>(std::min(count, clusters) * kCluster);
  const auto kernel = hopper::linear<kCluster>;
  allow_shared_bytes(kernel, hopper::kLinearSharedBytes);
  launch_clusters(kCluster, kernel, dim3(blocks), dim3(hopper::kBlockThreads), hopper::kLinearSharedBytes, stream,
                  parameters);
}

}  // namespace

bool has_hopper_linear() noexcept { return true; }

int hopper_cluster(std::int64_t rows) noexcept { return rows <= hopper::kTileRows ? 1 : 2; }

void launch_hopper_linear(const HopperLinear& product, int cluster, int num_multiprocessors, cudaStream_t stream) {
  const hopper::LinearParameters parameters = parameters_of(product);
  if (cluster == 1) {
    launch_with<1>(parameters, num_multiprocessors, stream);
  } else {
    launch_with<2>(parameters, num_multiprocessors, stream);
  }
}

}  // namespace steadyflux::cuda
