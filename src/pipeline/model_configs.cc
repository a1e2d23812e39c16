#include "pipeline/model_configs.h"

#include <cstddef>
#include <limits>
#include <string_view>

#include "base/error.h"

namespace steadyflux {

namespace {

constexpr IntRange kNumLayers = {0, 1 << 12};
constexpr IntRange kTokenId = {0, std::numeric_limits<std::int32_t>::max()};

[[noreturn]] void refuse(const Config& config, std::string_view key, std::string_view value, std::string_view known) {
  fail(ErrorCode::kUnsupported, config.source(), ": ", key, " is ", value, "; this build runs ", known);
}

void require_blocks(const Config& config, std::string_view key, std::string_view kind, std::size_t count) {
  const std::vector<std::string> types = config.get_strings(key, std::vector<std::string>(count, std::string(kind)));
  for (const std::string& type : types) {
    if (type != kind) refuse(config, key, type, kind);
  }
  if (types.size() != count) {
    fail(ErrorCode::kInvalidFile, config.source(), ": ", key, " has ", types.size(),
         " entries, but block_out_channels has ", count);
  }
}

// Runs the model's own check, adding the file to its message.
template <typename ModelConfig>
ModelConfig checked(const Config& config, const ModelConfig& model_config) {
  try {
    check(model_config);
  } catch (const Error& error) {
    fail(error.code(), config.source(), ": ", error.what());
  }
  return model_config;
}

}  // namespace

FluxConfig flux_config(const Config& config) {
  if (config.get_int("patch_size", 1) != 1) {
    refuse(config, "patch_size", std::to_string(config.get_int("patch_size", 1)), "1");
  }
  FluxConfig flux;
  flux.in_channels = config.get_int("in_channels", 64, kCountRange);
  flux.out_channels = config.get_int("out_channels", flux.in_channels, kCountRange);
  flux.num_double_blocks = config.get_int("num_layers", 19, kNumLayers);
  flux.num_single_blocks = config.get_int("num_single_layers", 38, kNumLayers);
  flux.num_heads = config.get_int("num_attention_heads", 24, kCountRange);
  flux.head_dim = config.get_int("attention_head_dim", 128, kCountRange);
  flux.joint_attention_dim = config.get_int("joint_attention_dim", 4096, kCountRange);
  flux.pooled_projection_dim = config.get_int("pooled_projection_dim", 768, kCountRange);
  flux.guidance_embeds = config.get_bool("guidance_embeds", false);
  const std::vector<std::int64_t> axes = config.get_ints("axes_dims_rope", {16, 56, 56}, kCountRange);
  if (axes.size() != flux.axes_dims_rope.size()) {
    refuse(config, "axes_dims_rope", std::to_string(axes.size()) + " axes", "3 axes");
  }
  for (std::size_t i = 0; i < axes.size(); ++i) flux.axes_dims_rope[i] = axes[i];
  return checked(config, flux);
}

ClipConfig clip_config(const Config& config) {
  ClipConfig clip;
  clip.vocab_size = config.get_int("vocab_size", 49408, kCountRange);
  clip.max_positions = config.get_int("max_position_embeddings", 77, kCountRange);
  clip.width = config.get_int("hidden_size", 512, kCountRange);
  clip.mlp_width = config.get_int("intermediate_size", 2048, kCountRange);
  clip.num_layers = config.get_int("num_hidden_layers", 12, kNumLayers);
  clip.num_heads = config.get_int("num_attention_heads", 8, kCountRange);
  clip.layer_norm_eps = static_cast<float>(config.get_float("layer_norm_eps", 1e-5));
  clip.eos_token_id = static_cast<std::int32_t>(config.get_int("eos_token_id", 49407, kTokenId));
  const std::string activation = config.get_string("hidden_act", "quick_gelu");
  if (activation == "quick_gelu") {
    clip.activation = ops::Activation::kQuickGelu;
  } else if (activation == "gelu") {
    clip.activation = ops::Activation::kGeluErf;
  } else {
    refuse(config, "hidden_act", activation, "quick_gelu and gelu");
  }
  return checked(config, clip);
}

T5Config t5_config(const Config& config) {
  const std::string feed_forward = config.get_string("feed_forward_proj", "relu");
  if (feed_forward != "gated-gelu") refuse(config, "feed_forward_proj", feed_forward, "gated-gelu (T5 version 1.1)");
  T5Config t5;
  t5.vocab_size = config.get_int("vocab_size", 32128, kCountRange);
  t5.d_model = config.get_int("d_model", 512, kCountRange);
  t5.d_kv = config.get_int("d_kv", 64, kCountRange);
  t5.d_ff = config.get_int("d_ff", 2048, kCountRange);
  t5.num_layers = config.get_int("num_layers", 6, kNumLayers);
  t5.num_heads = config.get_int("num_heads", 8, kCountRange);
  t5.num_buckets = config.get_int("relative_attention_num_buckets", 32, kCountRange);
  t5.max_distance = config.get_int("relative_attention_max_distance", 128, kCountRange);
  t5.eps = static_cast<float>(config.get_float("layer_norm_epsilon", 1e-6));
  return checked(config, t5);
}

AutoencoderConfig autoencoder_config(const Config& config) {
  AutoencoderConfig autoencoder;
  autoencoder.image_channels = config.get_int("out_channels", 3, kCountRange);
  if (config.get_int("in_channels", 3) != autoencoder.image_channels) {
    refuse(config, "in_channels", std::to_string(config.get_int("in_channels", 3)), "as many as out_channels");
  }
  autoencoder.latent_channels = config.get_int("latent_channels", 4, kCountRange);
  autoencoder.block_channels = config.get_ints("block_out_channels", {64}, kCountRange);
  autoencoder.layers_per_block = config.get_int("layers_per_block", 1, {1, 1 << 8});
  autoencoder.norm_groups = config.get_int("norm_num_groups", 32, kCountRange);
  autoencoder.mid_attention = config.get_bool("mid_block_add_attention", true);
  autoencoder.quant_conv = config.get_bool("use_quant_conv", true);
  autoencoder.post_quant_conv = config.get_bool("use_post_quant_conv", true);
  autoencoder.scaling_factor = static_cast<float>(config.get_float("scaling_factor", 0.18215));
  autoencoder.shift_factor = static_cast<float>(config.require_float("shift_factor"));
  const std::string activation = config.get_string("act_fn", "silu");
  if (activation != "silu") refuse(config, "act_fn", activation, "silu");
  require_blocks(config, "down_block_types", "DownEncoderBlock2D", autoencoder.block_channels.size());
  require_blocks(config, "up_block_types", "UpDecoderBlock2D", autoencoder.block_channels.size());
  return checked(config, autoencoder);
}

}  // namespace steadyflux
