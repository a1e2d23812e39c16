// Four bits that stand for unevenly spaced numbers: iq4_nl and iq4_xs.
#include "tensor/block_codecs.h"

namespace steadyflux::codec {
namespace {

// 32 elements of 16 bytes, the low nibbles first.
void decode_codes(const std::uint8_t* q, float scale, float* values) {
  for (int i = 0; i < 16; ++i) {
    values[i] = scale * static_cast<float>(kIq4Codes[q[i] & 15]);
    values[i + 16] = scale * static_cast<float>(kIq4Codes[q[i] >> 4]);
  }
}

}  // namespace

void decode(const Iq4Nl& block, float* values) { decode_codes(block.q, float_from_half(block.d), values); }

void decode(const Iq4Xs& block, float* values) {
  const float d = float_from_half(block.d);
  for (int b = 0; b < 8; ++b) {
    decode_codes(block.q + 16 * b, d * static_cast<float>(iq4_xs_scale(block, b)), values + 32 * b);
  }
}

}  // namespace steadyflux::codec
