// Quantised blocks to numbers and back, as their formats define them.
//
// Decoding: GGUF's types as ggml's reference does it, in f32 and in its order of operations (block_layout.h); nf4 and
// fp4 as bitsandbytes does: code times scale, in f32. The results are the weights: all backends compute with these
// bits.
//
// Encoding, which is the library sf_encode's: q8_0, q4_0, q4_1, q5_0 and q5_1 have the bits of ggml's reference, nf4
// and fp4 those of bitsandbytes. Of q4_k, q5_k and q6_k only the reading is fixed; the scales written here make the sum
// of squared errors small. Values must be finite, and scales fit into an f16: otherwise Error(kInvalidArgument) that
// says which. The bits are the same on every processor.
//
// Thread rule: any thread; nothing is kept or allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace steadyflux::codec {

// values[i] for `count` elements, a whole number of blocks of a type that has its scales inside.
void decode(DType type, const std::byte* blocks, std::int64_t count, float* values);

// The same for nf4 and fp4: `codes` hold two elements a byte, the first in the high nibble; block b has scales[b].
void decode(DType type, const std::byte* codes, const float* scales, std::int64_t count, float* values);

// Elements [column, column + count) of a row of a matrix of any type that a weight may have, as f32. Of a quantised
// type, whole blocks.
void decode_row(const Tensor& matrix, std::int64_t row, std::int64_t column, std::int64_t count, float* values);

// The scale of block `index` of an nf4 or fp4 weight, or of row `index` of an i8 weight, counted from the view's first.
float scale_at(const Tensor& weight, std::int64_t index);

// Whether `encode` knows the type: with scales inside q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k.
bool can_encode(DType type);

// The nearest blocks to `count` values, a whole number of blocks of a type with its scales inside.
void encode(DType type, const float* values, std::int64_t count, std::byte* blocks);

// The same for nf4 and fp4: writes count / 2 bytes of codes and a scale, the largest magnitude, for each 64 values.
void encode(DType type, const float* values, std::int64_t count, std::byte* codes, float* scales);

// Nests the scales of an nf4 or fp4 weight: a byte for each, an f32 for each Scales::kNestedBlock of them, begun or
// whole. Returns the offset, which is their mean.
float encode_scales(const float* scales, std::int64_t count, std::uint8_t* codes, float* nested);

// A row of an i8 weight: values[i] = codes[i] * scale. Returns the scale. Codes and scale are those that computing in
// integers makes of a row (ops::LinearPart), so that a weight gives the same bits stored as i8 as converted when run.
float encode_row_i8(const float* values, std::int64_t count, std::int8_t* codes);

// A row whose largest magnitude is less than this is zeros in integers of 8 bits.
inline constexpr float kInt8Zero = 0x1p-100f;

// What the sixteen codes of nf4 or fp4 stand for (bitsandbytes' quant_map).
std::span<const float, 16> four_bit_codes(DType type);

// What the bytes of nested scales stand for (bitsandbytes' nested_quant_map): its signed dynamic map of eight bits.
std::span<const float, 256> nested_scale_codes();

}  // namespace steadyflux::codec
