// The autoencoder's weights, group by group.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "model/autoencoder/autoencoder.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace steadyflux {

struct ResnetWeights {
  NormWeights norm1;
  ConvWeights conv1;
  NormWeights norm2;
  ConvWeights conv2;
  ConvWeights shortcut;  // empty when the number of channels stays
};

struct PixelAttentionWeights {
  NormWeights norm;
  QkvWeights qkv;
  ops::Linear out;
};

struct MidBlockWeights {
  ResnetWeights before;
  PixelAttentionWeights attention;  // empty without mid_attention
  ResnetWeights after;
};

// A run of resnets of the encoder at one resolution, and the way to half of it.
struct DownBlockSizes {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t num_resnets = 0;
  bool downsamples = false;
};

struct DownBlockWeights {
  std::vector<ResnetWeights> resnets;
  ConvWeights downsampler;  // empty unless downsamples
};

// A run of resnets of the decoder at one resolution, and the way to it. The checkpoint lists a block's upsampler with
// the resnets before it; here it is with those after it, because what it makes may be needed more than once.
struct UpStageSizes {
  std::size_t block = 0;
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t num_resnets = 0;
  bool upsamples = false;
};

struct UpStageWeights {
  ConvWeights upsampler;  // empty unless upsamples
  std::vector<ResnetWeights> resnets;
};

// From latents to the widest layer, and from the last layer to pixels.
struct DecoderInWeights {
  ConvWeights post_quant;  // empty without post_quant_conv
  ConvWeights conv;
};
struct DecoderOutWeights {
  NormWeights norm;
  ConvWeights conv;
};

struct EncoderInWeights {
  ConvWeights conv;
};
struct EncoderOutWeights {
  NormWeights norm;
  ConvWeights conv;
  ConvWeights quant;  // empty without quant_conv
};

template <typename Visitor>
void visit(ResnetWeights& weights, std::int64_t in_channels, std::int64_t out_channels, Visitor&& visitor) {
  visit_norm(weights.norm1, "norm1", in_channels, visitor);
  visit_conv(weights.conv1, "conv1", out_channels, in_channels, 3, visitor);
  visit_norm(weights.norm2, "norm2", out_channels, visitor);
  visit_conv(weights.conv2, "conv2", out_channels, out_channels, 3, visitor);
  if (in_channels != out_channels) {
    visit_conv(weights.shortcut, "conv_shortcut", out_channels, in_channels, 1, visitor);
  }
}

template <typename Visitor>
void visit(PixelAttentionWeights& weights, std::int64_t channels, Visitor&& visitor) {
  visit_norm(weights.norm, "group_norm", channels, visitor);
  visit_linear(weights.qkv.q, "to_q", channels, channels, visitor);
  visit_linear(weights.qkv.k, "to_k", channels, channels, visitor);
  visit_linear(weights.qkv.v, "to_v", channels, channels, visitor);
  visit_linear(weights.out, "to_out.0", channels, channels, visitor);
}

template <typename Visitor>
void visit(MidBlockWeights& weights, const AutoencoderConfig& config, Visitor&& visitor) {
  const std::int64_t channels = config.block_channels.back();
  visit(weights.before, channels, channels, visitor.within("resnets", 0));
  if (config.mid_attention) visit(weights.attention, channels, visitor.within("attentions", 0));
  visit(weights.after, channels, channels, visitor.within("resnets", 1));
}

template <typename Visitor>
void visit(DownBlockWeights& weights, const DownBlockSizes& sizes, Visitor&& visitor) {
  weights.resnets.resize(static_cast<std::size_t>(sizes.num_resnets));
  for (std::size_t i = 0; i < weights.resnets.size(); ++i) {
    visit(weights.resnets[i], i == 0 ? sizes.in_channels : sizes.out_channels, sizes.out_channels,
          visitor.within("resnets", i));
  }
  if (sizes.downsamples) {
    visit_conv(weights.downsampler, "downsamplers.0.conv", sizes.out_channels, sizes.out_channels, 3, visitor);
  }
}

template <typename Visitor>
void visit(UpStageWeights& weights, const UpStageSizes& sizes, Visitor&& visitor) {
  if (sizes.upsamples) {
    visit_conv(weights.upsampler, "upsamplers.0.conv", sizes.in_channels, sizes.in_channels, 3,
               visitor.within("up_blocks", sizes.block - 1));
  }
  auto&& block = visitor.within("up_blocks", sizes.block);
  weights.resnets.resize(static_cast<std::size_t>(sizes.num_resnets));
  for (std::size_t i = 0; i < weights.resnets.size(); ++i) {
    visit(weights.resnets[i], i == 0 ? sizes.in_channels : sizes.out_channels, sizes.out_channels,
          block.within("resnets", i));
  }
}

template <typename Visitor>
void visit(DecoderInWeights& weights, const AutoencoderConfig& config, Visitor&& visitor) {
  const std::int64_t latent_channels = config.latent_channels;
  if (config.post_quant_conv) {
    visit_conv(weights.post_quant, "post_quant_conv", latent_channels, latent_channels, 1, visitor);
  }
  visit_conv(weights.conv, "decoder.conv_in", config.block_channels.back(), latent_channels, 3, visitor);
}

template <typename Visitor>
void visit(DecoderOutWeights& weights, const AutoencoderConfig& config, Visitor&& visitor) {
  visit_norm(weights.norm, "decoder.conv_norm_out", config.block_channels.front(), visitor);
  visit_conv(weights.conv, "decoder.conv_out", config.image_channels, config.block_channels.front(), 3, visitor);
}

template <typename Visitor>
void visit(EncoderInWeights& weights, const AutoencoderConfig& config, Visitor&& visitor) {
  visit_conv(weights.conv, "encoder.conv_in", config.block_channels.front(), config.image_channels, 3, visitor);
}

template <typename Visitor>
void visit(EncoderOutWeights& weights, const AutoencoderConfig& config, Visitor&& visitor) {
  const std::int64_t moments = 2 * config.latent_channels;  // means, then logarithms of variances
  visit_norm(weights.norm, "encoder.conv_norm_out", config.block_channels.back(), visitor);
  visit_conv(weights.conv, "encoder.conv_out", moments, config.block_channels.back(), 3, visitor);
  if (config.quant_conv) visit_conv(weights.quant, "quant_conv", moments, moments, 1, visitor);
}

}  // namespace steadyflux
