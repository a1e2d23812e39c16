// What all ways to multiply a linear layer have in common: the size of its tiles, and their epilogue.
#pragma once

#include <cstdint>

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

// A tile's f32 sums (128 KiB) and a strip of its operands stay in a core's L2. Measured on Zen 4 (bf16, 3072 and 15360
// deep, 64 to 512 columns, 64 to 1024 rows): this size reaches 96-100 % of the library's own rate, larger ones no more.
inline constexpr std::int64_t kTileRows = 256;
inline constexpr std::int64_t kTileCols = 128;

// Stores the sums of rows x cols of a part, which lie without gaps, as the part says. `vectors` has room for two rows.
void finish_tile(const ops::LinearPart& part, Block rows, Block cols, const float* sums, float* vectors);

}  // namespace steadyflux::cpu
