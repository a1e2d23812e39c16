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

// Calls body(part, rows, cols, worker) for tiles that cover every part of the kind `compute` for a block of rows.
template <typename Body>
void parallel_tiles(Context& context, const ops::LinearMany& op, ops::Compute compute, Block block, std::int64_t group,
                    const Body& body) {
  const std::int64_t groups = ceil_div(block.count, group);
  const auto tasks_of = [&](const ops::LinearPart& part) {
    return part.compute == compute ? groups * ceil_div(part.out.dim(1), kTileCols) : 0;
  };
  std::int64_t num_tasks = 0;
  for (const ops::LinearPart& part : op.parts) num_tasks += tasks_of(part);
  // Groups of one column tile follow each other: they share its weights in the outer cache.
  context.parallel(num_tasks, [&](std::int64_t task, int worker) {
    for (const ops::LinearPart& part : op.parts) {
      if (task < tasks_of(part)) {
        Block rows = block_at(task % groups, group, block.count);
        rows.begin += block.begin;
        body(part, rows, block_at(task / groups, kTileCols, part.out.dim(1)), worker);
        return;
      }
      task -= tasks_of(part);
    }
  });
}

// Stores the sums of rows x cols of a part, which lie without gaps, as the part says. `vectors` has room for two rows.
void finish_tile(const ops::LinearPart& part, Block rows, Block cols, const float* sums, float* vectors);

}  // namespace steadyflux::cpu
