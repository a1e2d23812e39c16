#include "pipeline/infer_config.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "base/error.h"

namespace steadyflux {
namespace {

// [rows, columns] of a matrix.
struct MatrixShape {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};
MatrixShape matrix_shape(const WeightIndex& index, std::string_view name) {
  const WeightEntry& entry = index.at(name);
  if (entry.shape.size() != 2) {
    fail(ErrorCode::kInvalidFile, index.file(entry).name(), ": '", name, "' has ", entry.shape.size(),
         " dimensions, not 2; it is not the weight of a FLUX.1 transformer");
  }
  return {entry.shape[0], entry.shape[1]};
}

// One more than the largest number after `list` in a name. Gaps are found when the weights are looked for.
std::int64_t count_blocks(const WeightIndex& index, std::string_view list) {
  constexpr std::int64_t kMaxBlocks = 1 << 12;
  std::int64_t count = 0;
  for (auto it = index.entries().lower_bound(list); it != index.entries().end() && it->first.starts_with(list); ++it) {
    std::int64_t number = 0;
    const std::string& name = it->first;
    std::from_chars(name.data() + list.size(), name.data() + name.size(), number);
    if (number >= kMaxBlocks) {
      fail(ErrorCode::kInvalidFile, index.component(), ": '", name, "' is block ", number, "; at most ", kMaxBlocks,
           " are supported");
    }
    count = std::max(count, number + 1);
  }
  return count;
}

// The width of a head: the length of any norm of queries.
std::int64_t head_width(const WeightIndex& index, const FluxConfig& flux) {
  const char* const name = flux.num_double_blocks > 0 ? "transformer_blocks.0.attn.norm_q.weight"
                                                      : "single_transformer_blocks.0.attn.norm_q.weight";
  const WeightEntry& entry = index.at(name);
  return entry.num_elements();
}

}  // namespace

FluxConfig infer_flux_config(const WeightIndex& index, const std::optional<FluxConfig>& similar) {
  FluxConfig flux;
  const MatrixShape image = matrix_shape(index, "x_embedder.weight");
  flux.in_channels = image.columns;
  flux.out_channels = matrix_shape(index, "proj_out.weight").rows;
  flux.joint_attention_dim = matrix_shape(index, "context_embedder.weight").columns;
  flux.pooled_projection_dim = matrix_shape(index, "time_text_embed.text_embedder.linear_1.weight").columns;
  flux.num_double_blocks = count_blocks(index, "transformer_blocks.");
  flux.num_single_blocks = count_blocks(index, "single_transformer_blocks.");
  flux.guidance_embeds = index.find("time_text_embed.guidance_embedder.linear_1.weight") != nullptr;
  flux.head_dim = head_width(index, flux);
  if (flux.head_dim < 1 || image.rows % flux.head_dim != 0) {
    fail(ErrorCode::kInvalidFile, index.component(), ": a width of ", image.rows, " cannot be divided into heads of ",
         flux.head_dim);
  }
  flux.num_heads = image.rows / flux.head_dim;
  if (similar && similar->head_dim == flux.head_dim) {
    flux.axes_dims_rope = similar->axes_dims_rope;
  } else if (flux.head_dim != FluxConfig{}.head_dim) {
    fail(ErrorCode::kUnsupported, index.component(), ": how heads of ", flux.head_dim,
         " are divided among the axes of positions cannot be seen from weights; give a model directory whose "
         "transformer has the config.json of such heads");
  }
  check(flux);
  return flux;
}

}  // namespace steadyflux
