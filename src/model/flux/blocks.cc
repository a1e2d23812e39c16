#include "model/flux/blocks.h"

#include <array>
#include <cmath>

namespace steadyflux {

namespace {

constexpr float kEps = 1e-6f;

// Norm and rotation of the queries or keys of every head. x: [rows, width], pe: [rows, head_dim].
void qk_norm_rope(const Executor& executor, const FluxConfig& config, const Tensor& x, const Tensor& norm,
                  const Tensor& pe) {
  executor.run(ops::QkNormRope{.x = x.split_heads(config.num_heads), .weight = norm, .pe = pe, .eps = kEps});
}

AttentionOptions flux_attention(const FluxConfig& config) {
  return {.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.head_dim)))};
}

// Queries, keys and values of one stream of a double block. stream: [rows, width] and the same rows of the others.
void project_stream(const Executor& executor, const FluxConfig& config, const FluxStreamWeights& weights,
                    const Modulation& modulation, const Tensor& stream, const Tensor& pe, const Tensor& y,
                    const Qkv& qkv) {
  adaptive_norm(executor, stream, modulation, y);
  project_qkv(executor, y, weights.qkv, qkv);
  qk_norm_rope(executor, config, qkv.q, weights.norm_q, pe);
  qk_norm_rope(executor, config, qkv.k, weights.norm_k, pe);
}

// stream += gate * mlp_out(gelu(mlp_in(LN(stream)))).
void mlp(const Executor& executor, const FluxConfig& config, const FluxStreamWeights& weights,
         const Modulation& modulation, DType activations, const Tensor& stream) {
  const ArenaScope scope(executor.arena());
  const Tensor y = executor.allocate(activations, stream.shape);
  const Tensor hidden = executor.allocate(activations, {stream.dim(0), config.mlp_width()});
  adaptive_norm(executor, stream, modulation, y);
  linear(executor, y, weights.mlp_in, hidden, ops::Activation::kGeluTanh);
  linear_into_stream(executor, hidden, weights.mlp_out, stream, modulation.gate);
}

}  // namespace

FluxStreams flux_streams(const FluxPass& pass) {
  const std::int64_t txt_tokens = pass.txt.dim(0);
  const std::int64_t img_tokens = pass.latents.dim(0);
  return {pass.stream, pass.stream.rows(0, txt_tokens), pass.stream.rows(txt_tokens, img_tokens)};
}

void double_block(const Executor& executor, const FluxConfig& config, const FluxDoubleBlock& weights,
                  const FluxStreamModulation& img, const FluxStreamModulation& txt, DType activations,
                  const FluxPass& pass) {
  const FluxStreams stream = flux_streams(pass);
  const std::int64_t tokens = stream.all.dim(0);
  const std::int64_t txt_tokens = stream.txt.dim(0);
  const std::int64_t img_tokens = stream.img.dim(0);
  {
    const ArenaScope scope(executor.arena());
    // Holds the normed streams until they are projected, then what attention gathers.
    const Tensor y = executor.allocate(activations, {tokens, config.width()});
    const Tensor y_txt = y.rows(0, txt_tokens);
    const Tensor y_img = y.rows(txt_tokens, img_tokens);
    const Tensor qkv = executor.allocate(activations, {tokens, 3 * config.width()});

    project_stream(executor, config, weights.txt, txt.attention, stream.txt, pass.pe.rows(0, txt_tokens), y_txt,
                   split_qkv(qkv.rows(0, txt_tokens)));
    project_stream(executor, config, weights.img, img.attention, stream.img, pass.pe.rows(txt_tokens, img_tokens),
                   y_img, split_qkv(qkv.rows(txt_tokens, img_tokens)));
    attention(executor, split_qkv(qkv), config.num_heads, flux_attention(config), y);
    linear_into_stream(executor, y_txt, weights.txt.out, stream.txt, txt.attention.gate);
    linear_into_stream(executor, y_img, weights.img.out, stream.img, img.attention.gate);
  }
  mlp(executor, config, weights.txt, txt.mlp, activations, stream.txt);
  mlp(executor, config, weights.img, img.mlp, activations, stream.img);
}

void single_block(const Executor& executor, const FluxConfig& config, const FluxSingleBlock& weights,
                  const Modulation& modulation, DType activations, bool img_only, const FluxPass& pass) {
  const ArenaScope scope(executor.arena());
  const std::int64_t width = config.width();
  const Tensor& stream = pass.stream;
  const std::int64_t tokens = stream.dim(0);
  // Rows before `first` are needed as keys and values only.
  const std::int64_t first = img_only ? pass.txt.dim(0) : 0;
  const std::int64_t count = tokens - first;

  const Tensor qkv_buffer = executor.allocate(activations, {tokens, 3 * width});
  const Tensor joined = executor.allocate(activations, {tokens, width + config.mlp_width()});
  const Qkv qkv = split_qkv(qkv_buffer);
  // The left columns hold the normed stream until it is projected, then what attention gathers.
  const Tensor y = joined.cols(0, width);
  const Tensor hidden = joined.cols(width, config.mlp_width());

  adaptive_norm(executor, stream, modulation, y);
  const ops::Compute compute = executor.compute();
  const std::array<ops::LinearPart, 4> parts = {
      ops::LinearPart{.linear = weights.qkv.q, .out = qkv.q.rows(first, count), .compute = compute},
      ops::LinearPart{.linear = weights.qkv.k, .out = qkv.k.rows(first, count), .compute = compute},
      ops::LinearPart{.linear = weights.qkv.v, .out = qkv.v.rows(first, count), .compute = compute},
      ops::LinearPart{.linear = weights.mlp_in,
                      .out = hidden.rows(first, count),
                      .activation = ops::Activation::kGeluTanh,
                      .compute = compute}};
  executor.run(ops::LinearMany{y.rows(first, count), parts});
  if (first > 0) {
    const std::array<ops::LinearPart, 2> key_value = {
        ops::LinearPart{.linear = weights.qkv.k, .out = qkv.k.rows(0, first), .compute = compute},
        ops::LinearPart{.linear = weights.qkv.v, .out = qkv.v.rows(0, first), .compute = compute}};
    executor.run(ops::LinearMany{y.rows(0, first), key_value});
  }

  const Tensor q = qkv.q.rows(first, count);
  qk_norm_rope(executor, config, q, weights.norm_q, pass.pe.rows(first, count));
  qk_norm_rope(executor, config, qkv.k, weights.norm_k, pass.pe);
  attention(executor, {q, qkv.k, qkv.v}, config.num_heads, flux_attention(config), y.rows(first, count));
  linear_into_stream(executor, joined.rows(first, count), weights.out, stream.rows(first, count), modulation.gate);
}

}  // namespace steadyflux
