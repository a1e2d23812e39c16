// Latents as the transformer sees them: one token for every 2 × 2 pixels of the latent, row by row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/dtype.h"
#include "base/error.h"
#include "sampling/rounding.h"
#include "sampling/size.h"

namespace steadyflux::sampling {

// Where element (channel, y, x) of a latent [num_channels, height, width] stands in the packed latent
// [tokens, 4 · num_channels]: token (y / 2, x / 2), element 4 · channel + 2 · (y % 2) + x % 2.
constexpr std::size_t packed_index(LatentSize size, std::int64_t num_channels, std::int64_t channel, std::int64_t y,
                                   std::int64_t x) {
  const std::int64_t token = (y / 2) * size.token_columns() + x / 2;
  return static_cast<std::size_t>(token * 4 * num_channels + 4 * channel + 2 * (y % 2) + x % 2);
}

// Calls visit(index in the latent, index in the packed latent) for every element, in the latent's order.
template <typename Visit>
void for_each_packed(LatentSize size, std::int64_t num_channels, Visit&& visit) {
  std::size_t latent_index = 0;
  for (std::int64_t channel = 0; channel < num_channels; ++channel) {
    for (std::int64_t y = 0; y < size.height; ++y) {
      for (std::int64_t x = 0; x < size.width; ++x) {
        visit(latent_index++, packed_index(size, num_channels, channel, y, x));
      }
    }
  }
}

// latent [num_channels, height, width] → packed [tokens, 4 · num_channels].
template <typename T>
void pack_latent(LatentSize size, std::int64_t num_channels, std::span<const T> latent, std::span<T> packed) {
  const auto count = static_cast<std::size_t>(num_channels * size.height * size.width);
  ensure(latent.size() == count && packed.size() == count, "pack_latent: sizes differ from ", count);
  for_each_packed(size, num_channels, [&](std::size_t from, std::size_t to) { packed[to] = latent[from]; });
}

// The inverse of pack_latent.
template <typename T>
void unpack_latent(LatentSize size, std::int64_t num_channels, std::span<const T> packed, std::span<T> latent) {
  const auto count = static_cast<std::size_t>(num_channels * size.height * size.width);
  ensure(latent.size() == count && packed.size() == count, "unpack_latent: sizes differ from ", count);
  for_each_packed(size, num_channels, [&](std::size_t to, std::size_t from) { latent[to] = packed[from]; });
}

// Position ids [tokens, 3] of the image tokens, each (0, row, column), as a model of `model_dtype` sees them: in bf16
// rows and columns above 256 (4096 pixels) are rounded. Text tokens have the id (0, 0, 0).
inline void image_ids(LatentSize size, DType model_dtype, std::span<float> ids) {
  ensure(ids.size() == static_cast<std::size_t>(3 * size.num_tokens()), "image_ids: wrong size ", ids.size());
  std::size_t i = 0;
  for (std::int64_t row = 0; row < size.token_rows(); ++row) {
    for (std::int64_t column = 0; column < size.token_columns(); ++column) {
      ids[i++] = 0.0f;
      ids[i++] = round_to_dtype(static_cast<float>(row), model_dtype);
      ids[i++] = round_to_dtype(static_cast<float>(column), model_dtype);
    }
  }
}

}  // namespace steadyflux::sampling
