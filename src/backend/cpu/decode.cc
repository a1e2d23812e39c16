#include "backend/cpu/decode.h"

#include <algorithm>

#include "backend/cpu/convert.h"
#include "base/error.h"
#include "tensor/codec.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/decode.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "backend/cpu/decode_k_blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

// Without vectors the definition is as good as anything.
template <class Out>
void decode_any(const Tensor& matrix, std::int64_t row, std::int64_t column, std::int64_t count, Out* out) {
  constexpr std::int64_t kRun = 256;
  float values[kRun];
  for (std::int64_t i = 0; i < count; i += kRun) {
    const std::int64_t run = std::min(kRun, count - i);
    codec::decode_row(matrix, row, column + i, run, values);
    for (std::int64_t j = 0; j < run; ++j) store_element(OneFloat(), hn::Set(OneFloat(), values[j]), out + i + j);
  }
}

#else

template <class Out>
void decode_blocks(DType type, const std::byte* blocks, std::int64_t count, Out* out) {
  const std::int64_t elements = block_shape(type).elements;
  const bool known = codec::with_block(type, [=]<typename Block>(const Block*) HWY_ATTR {
    const auto* block = reinterpret_cast<const Block*>(blocks);
    for (std::int64_t i = 0; i < count; i += elements) decode(*block++, out + i);
    return true;
  });
  ensure(known, "no vector decoder of ", dtype_name(type));
}

// Elements `codes` of a table of sixteen.
HWY_INLINE Value lookup(const float* table, Code codes) {
  const std::size_t lanes = hn::Lanes(Values());
  const auto in_part = hn::IndicesFromVec(Values(), hn::And(codes, hn::Set(Codes(), static_cast<int>(lanes - 1))));
  Value found = hn::TableLookupLanes(hn::LoadU(Values(), table), in_part);
  for (std::size_t part = lanes; part < 16; part += lanes) {
    const auto beyond = hn::RebindMask(Values(), hn::Gt(codes, hn::Set(Codes(), static_cast<int>(part - 1))));
    found = hn::IfThenElse(beyond, hn::TableLookupLanes(hn::LoadU(Values(), table + part), in_part), found);
  }
  return found;
}

// One block of 64 of nf4 or fp4.
template <class Out>
HWY_INLINE void decode_four_bit(const float* table, const std::byte* codes, float scale, Out* out) {
  const hn::Full128<std::uint8_t> bytes;
  const hn::Full128<std::uint16_t> words;
  alignas(64) float products[16];
  for_group([&](std::size_t i) HWY_ATTR {
    hn::Store(hn::Mul(hn::LoadU(Values(), table + i), hn::Set(Values(), scale)), Values(), products + i);
  });
  for (std::size_t i = 0; i < 64; i += 32) {
    const auto pairs = hn::LoadU(bytes, reinterpret_cast<const std::uint8_t*>(codes) + i / 2);
    const auto nibble = hn::Set(bytes, std::uint8_t{15});
    const auto low = hn::And(pairs, nibble);
    const auto high = hn::And(hn::BitCast(bytes, hn::ShiftRight<4>(hn::BitCast(words, pairs))), nibble);
    alignas(16) std::uint8_t ordered[32];
    hn::Store(hn::InterleaveLower(bytes, high, low), bytes, ordered);
    hn::Store(hn::InterleaveUpper(bytes, high, low), bytes, ordered + 16);
    for (std::size_t g = 0; g < 32; g += kGroup) {
      for_group([&](std::size_t j) HWY_ATTR { put(lookup(products, load_codes(ordered + g + j)), out + i + g + j); });
    }
  }
}

template <class Out>
HWY_INLINE void decode_four_bit_run(const Tensor& matrix, std::int64_t first, std::int64_t count, Out* out) {
  const float* table = codec::four_bit_codes(matrix.dtype).data();
  const std::byte* codes = matrix.data + bytes_of(matrix.dtype, first);
  for (std::int64_t i = 0; i < count; i += 64) {
    decode_four_bit(table, codes + i / 2, codec::scale_at(matrix, (first + i) / 64), out + i);
  }
}

template <class Out>
HWY_INLINE void decode_i8(const std::int8_t* codes, float scale, std::int64_t count, Out* out) {
  std::int64_t i = 0;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Values()));
  for (; i + lanes <= count; i += lanes) put(scaled(load_codes(codes + i), scale), out + i);
  for (; i < count; ++i) {
    store_element(OneFloat(), hn::Set(OneFloat(), scale * static_cast<float>(codes[i])), out + i);
  }
}

template <class Out>
HWY_INLINE void decode_any(const Tensor& matrix, std::int64_t row, std::int64_t column, std::int64_t count, Out* out) {
  const std::int64_t first = row * matrix.row_stride() + column;
  const std::byte* from = matrix.data + bytes_of(matrix.dtype, first);
  if (matrix.dtype == DType::kI8) {
    decode_i8(reinterpret_cast<const std::int8_t*>(from), codec::scale_at(matrix, row), count, out);
  } else if (has_scales_apart(matrix.dtype)) {
    decode_four_bit_run(matrix, first, count, out);
  } else {
    decode_blocks(matrix.dtype, from, count, out);
  }
}

#endif  // HWY_TARGET == HWY_SCALAR

void decode_part(const Tensor& matrix, std::int64_t row, std::int64_t column, std::int64_t count, std::byte* out,
                 DType to) {
  if (to == DType::kF32) {
    decode_any(matrix, row, column, count, reinterpret_cast<float*>(out));
  } else {
    decode_any(matrix, row, column, count, reinterpret_cast<std::uint16_t*>(out));
  }
}

}  // namespace
}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::cpu {
namespace {
HWY_EXPORT(decode_part);
}  // namespace

void decode_run(const Tensor& matrix, std::int64_t row, std::int64_t column, std::int64_t count, std::byte* out,
                DType to) {
  if (is_quantised(matrix.dtype) || has_scales_apart(matrix.dtype)) {
    HWY_DYNAMIC_DISPATCH(decode_part)(matrix, row, column, count, out, to);
  } else {
    const std::byte* from = matrix.data + bytes_of(matrix.dtype, row * matrix.row_stride() + column);
    convert(from, matrix.dtype, out, to, static_cast<std::size_t>(count));
  }
}

}  // namespace steadyflux::cpu
#endif
