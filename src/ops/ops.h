// The operation list: everything a backend can be asked to compute.
//
// Each operation is a plain struct of tensors and scalars; `Op` is any one of them. Rules for all of them:
//  * Tensors are views with a contiguous last dimension; only the first dimension of rank-2 and rank-3 tensors may be
//    strided, its rows not overlapping.
//  * Activations are f32 or bf16, chosen tensor by tensor; arithmetic inside an operation is f32 (or better), and each
//    output element is rounded once, when it is stored. One liberty: where the activations of a matrix product are bf16
//    (x; all of q, k and v), a backend may round its other factor (weights; attention's probabilities) to bf16 too. The
//    products are then exact in f32, and are summed in f32.
//  * Weights (weight, bias, scale, shift, gate, table) are f32, f16 or bf16. The weight of a linear layer and the table
//    of EmbedRows may also be of a quantised type or i8 with scales: an element is then the number that its block
//    stands for, in f32 (tensor/codec.h), before anything is computed with it.
//  * Outputs do not overlap inputs, except where "in place" is said.
//  * An optional tensor is absent when it is empty().
//  * A result never depends on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include "tensor/codec.h"
#include "tensor/tensor.h"

namespace steadyflux::ops {

enum class Activation : std::uint8_t {
  kNone,
  kSilu,       // x * sigmoid(x)
  kGeluTanh,   // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); "gelu_new" is the same function
  kGeluErf,    // 0.5 x (1 + erf(x / sqrt 2))
  kQuickGelu,  // x * sigmoid(1.702 x)
};

// In which numbers a linear layer multiplies.
enum class Compute : std::uint8_t {
  kFloat,  // those of its activations, as said above
  kInt8,   // integers of 8 bits: see LinearPart
};

// A linear layer's parameters: y = x weight^T + bias.
struct Linear {
  Tensor weight;     // [out_features, in_features]
  Tensor bias = {};  // [out_features], optional
};

// One of the layers that share an input, and what becomes of its result r = x weight^T + bias:
//   out = act(r)                      when gate is empty and accumulate is false
//   out = out + gate * act(r)         when accumulate is true (gate optional, elementwise over out_features)
//
// With kInt8, r is computed from integers in place of x and weight. Each row v of either, as f32, has a scale and
// integers, made of its magnitude m = max |v[k]| by f32 operations each rounded once:
//   scale = m / 127,  integer[k] = round_half_even(v[k] * (127 / m))
// or all zeros when m < kInt8Zero. A weight of type i8 has its own integers and scales. Then
//   r[i, n] = (sum_k x_integer[i, k] * weight_integer[n, k]) * x_scale[i] * weight_scale[n] + bias[n]
// where the sum of integers is exact. There are at most kMaxInt8Features in_features, so that it fits 32 bits.
struct LinearPart {
  Linear linear;
  Tensor out;  // [rows, out_features]
  Activation activation = Activation::kNone;
  Tensor gate = {};  // [out_features], optional; only with accumulate
  bool accumulate = false;
  Compute compute = Compute::kFloat;
};
using codec::kInt8Zero;
inline constexpr std::int64_t kMaxInt8Features = 65536;

// Several linear layers of one input: it is read (and, for int8, quantised) once.
struct LinearMany {
  Tensor x;  // [rows, in_features]
  std::span<const LinearPart> parts;
};

// out = LN(x) * (scale_offset + scale) + shift per row, LN without its own affine part, variance biased.
// AdaLN: scale_offset 1 and modulation vectors; an ordinary affine LayerNorm: scale_offset 0, weight and bias.
struct LayerNorm {
  Tensor x;      // [rows, width]
  Tensor scale;  // [width]
  Tensor shift;  // [width]
  float scale_offset = 0;
  float eps = 1e-6f;
  Tensor out;  // [rows, width]
};

// out = x / sqrt(mean(x^2) + eps) * weight per row.
struct RmsNorm {
  Tensor x;       // [rows, width]
  Tensor weight;  // [width]
  float eps = 1e-6f;
  Tensor out;  // [rows, width]
};

// In place, per row and head: x = rope(rms_norm(x) * weight). The rotation turns each interleaved pair
// (x[2k], x[2k+1]) by the angle whose cosine and sine are pe[row, 2k] and pe[row, 2k+1].
struct QkNormRope {
  Tensor x;        // [rows, heads, head_dim]
  Tensor weight;   // [head_dim]
  Tensor pe = {};  // [rows, head_dim] f32, optional (no rotation)
  float eps = 1e-6f;
};

// out[i, h] = sum_j softmax_j(scale * q[i, h] . k[j, h] + bias(h, i, j)) v[j, h], softmax in f32, never holding the
// whole score matrix. bias(h, i, j) = relative_bias[h, j - i + q_rows - 1]. Causal: only j <= i.
struct Attention {
  Tensor q;                   // [q_rows, heads, head_dim]
  Tensor k;                   // [kv_rows, heads, head_dim]
  Tensor v;                   // [kv_rows, heads, head_dim]
  Tensor relative_bias = {};  // [heads, q_rows + kv_rows - 1] f32, optional
  float scale = 1;
  bool causal = false;
  Tensor out;  // [q_rows, heads, head_dim]
};

// Mean and variance of each channel group over each row of pixels: moments[y, g] = {mean, variance}, f32. Those of a
// row depend on that row alone, so that an image may come in bands.
struct GroupNormRows {
  Tensor x;  // [height, width, channels]
  std::int64_t groups = 1;
  Tensor moments;  // [height, groups, 2] f32, contiguous
};

// Mean and 1/sqrt(variance + eps) of each channel group over all rows of an image: stats[g] = {mean, rstd}, f32. The
// rows being of one length, the mean is that of their means, and the variance is the mean of their variances plus the
// variance of their means. Summed in the order of the rows.
struct GroupNormStats {
  Tensor moments;  // [height, groups, 2] f32, contiguous
  float eps = 1e-6f;
  Tensor stats;  // [groups, 2] f32
};

// out = act((x - mean) * rstd * weight + bias), per channel. `out` may be x (in place).
struct GroupNormApply {
  Tensor x;       // [height, width, channels]
  Tensor stats;   // [groups, 2] f32
  Tensor weight;  // [channels]
  Tensor bias;    // [channels]
  Activation activation = Activation::kNone;
  Tensor out;  // [height, width, channels]
};

// Convolution with zero padding, pixels as [height, width, channels]. With upsample 2 the input is first doubled by
// nearest neighbour. out_height = (upsample * height + pad_top + pad_bottom - kernel) / stride + 1, likewise width.
// accumulate: out += result (a residual connection), otherwise out = result.
// A backend may sum the products of a 3 x 3 window with stride 1 in the order of F(2 x 2, 3 x 3) (Lavin and Gray,
// 2016), which begins its tiles of 2 x 2 pixels at even rows of the whole image: first_row says where a band lies in
// it.
struct Conv2d {
  Tensor x;          // [height, width, in_channels], contiguous
  Tensor weight;     // [out_channels, in_channels, kernel, kernel]
  Tensor bias = {};  // [out_channels], optional
  std::int64_t stride = 1;
  std::int64_t upsample = 1;
  std::int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  bool accumulate = false;
  std::int64_t first_row = 0;  // of out, in the whole image
  Tensor out;                  // [out_height, out_width, out_channels], contiguous
};

// out[i] = table[ids[i]] (+ positions[i]).
struct EmbedRows {
  Tensor table;           // [vocabulary, width]
  Tensor ids;             // [rows] i32, each in [0, vocabulary)
  Tensor positions = {};  // [at least rows, width], optional
  Tensor out;             // [rows, width]
};

// out = act(gate) * up, elementwise. `out` may be gate or up (in place).
struct Glu {
  Tensor gate;  // [rows, width]
  Tensor up;    // [rows, width]
  Activation activation = Activation::kNone;
  Tensor out;  // [rows, width]
};

// out = act(a + b), elementwise; b is optional and may be one row [1, width] added to every row. `out` may be a or b.
// With b absent and no activation this is a cast or a strided copy.
struct Add {
  Tensor a;       // [rows, width]
  Tensor b = {};  // [rows, width] or [1, width], optional
  Activation activation = Activation::kNone;
  Tensor out;  // [rows, width]
};

// latents += dt * velocity, product and sum each rounded to f32. `round_product` rounds dt * velocity to bf16 before
// the sum and the sum to bf16, as the reference pipeline does when the velocity is bf16.
struct EulerStep {
  Tensor latents;   // [tokens, channels] f32, in place
  Tensor velocity;  // [tokens, channels]
  float dt = 0;
  bool round_product = false;
};

// out = negative + scale * (positive - negative); each of the three operations is rounded to out's dtype.
// `out` may be positive.
struct TrueCfg {
  Tensor positive;  // [tokens, channels]
  Tensor negative;  // [tokens, channels]
  float scale = 1;
  Tensor out;  // [tokens, channels]
};

// Packed latents to pixels of the autoencoder: image[2r+dy, 2c+dx, ch] = packed[r * (width/2) + c, 4 ch + 2 dy + dx]
// * scale + shift.
struct UnpackLatents {
  Tensor packed;  // [height/2 * width/2, 4 * channels]
  float scale = 1;
  float shift = 0;
  Tensor image;  // [height, width, channels], contiguous
};

// The inverse order: packed[...] = (image[...] + shift) * scale.
struct PackLatents {
  Tensor image;  // [height, width, channels], contiguous
  float scale = 1;
  float shift = 0;
  Tensor packed;  // [height/2 * width/2, 4 * channels]
};

// Decoder output in [-1, 1] to 8-bit RGB: round_half_even(255 * clamp(x / 2 + 1/2, 0, 1)); the value x / 2 + 1/2 is
// rounded to x's dtype first, as the reference does.
struct ToRgb8 {
  Tensor x;    // [height, width, 3]
  Tensor out;  // [height, width, 3] u8
};

using Op =
    std::variant<LinearMany, LayerNorm, RmsNorm, QkNormRope, Attention, GroupNormRows, GroupNormStats, GroupNormApply,
                 Conv2d, EmbedRows, Glu, Add, EulerStep, TrueCfg, UnpackLatents, PackLatents, ToRgb8>;

// "linear_many", "layer_norm", …: for traces, reports and messages.
const char* op_name(const Op& op);

// Operations that a profile takes together.
enum class OpClass : std::uint8_t {
  kLinear,
  kAttention,
  kConvolution,
  kNorm,         // along rows or over groups of channels, with the rotation that is part of it
  kElementwise,  // all that passes over its data once
};
inline constexpr std::size_t kNumOpClasses = 5;

OpClass op_class(const Op& op);
// "linear", "attention", …
const char* op_class_name(OpClass op_class);

// Throws Error(kInternal) that names the operation and the tensor when shapes, dtypes or strides break the contract.
void check(const Op& op);

// What an operation costs on any machine.
struct Cost {
  double flops = 0;  // floating-point operations, a multiply-add counting two
  double bytes = 0;  // least memory traffic: each input read once, each output written once
};
Cost cost(const Op& op);

}  // namespace steadyflux::ops
