#include "backend/cpu/convert.h"

#include <cstring>

#include "base/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/convert.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "backend/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {
namespace {

void bf16_to_f32(const std::uint16_t* src, float* dst, std::size_t count) {
  for_lanes(count, [=](auto d, std::size_t i) HWY_ATTR { hn::StoreU(load_bf16(d, src + i), d, dst + i); });
}

void f32_to_bf16(const float* src, std::uint16_t* dst, std::size_t count) {
  for_lanes(count, [=](auto d, std::size_t i) HWY_ATTR { store_bf16(d, hn::LoadU(d, src + i), dst + i); });
}

template <class D>
HWY_INLINE hn::Vec<D> load_f16(D d, const hwy::float16_t* from) {
  const hn::Rebind<hwy::float16_t, D> d16;
  return hn::PromoteTo(d, hn::LoadU(d16, from));
}

void f16_to_f32(const hwy::float16_t* src, float* dst, std::size_t count) {
  for_lanes(count, [=](auto d, std::size_t i) HWY_ATTR { hn::StoreU(load_f16(d, src + i), d, dst + i); });
}

void f16_to_bf16(const hwy::float16_t* src, std::uint16_t* dst, std::size_t count) {
  for_lanes(count, [=](auto d, std::size_t i) HWY_ATTR { store_bf16(d, load_f16(d, src + i), dst + i); });
}

}  // namespace
}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::cpu {
namespace {
HWY_EXPORT(bf16_to_f32);
HWY_EXPORT(f32_to_bf16);
HWY_EXPORT(f16_to_f32);
HWY_EXPORT(f16_to_bf16);
}  // namespace

void convert(const std::byte* src, DType from, std::byte* dst, DType to, std::size_t count) {
  auto* dst_f32 = reinterpret_cast<float*>(dst);
  auto* dst_bf16 = reinterpret_cast<std::uint16_t*>(dst);
  const auto* src_bits = reinterpret_cast<const std::uint16_t*>(src);
  const auto* src_f16 = reinterpret_cast<const hwy::float16_t*>(src);
  if (from == to) {
    std::memcpy(dst, src, count * dtype_bytes(from));
  } else if (from == DType::kBF16 && to == DType::kF32) {
    HWY_DYNAMIC_DISPATCH(bf16_to_f32)(src_bits, dst_f32, count);
  } else if (from == DType::kF32 && to == DType::kBF16) {
    HWY_DYNAMIC_DISPATCH(f32_to_bf16)(reinterpret_cast<const float*>(src), dst_bf16, count);
  } else if (from == DType::kF16 && to == DType::kF32) {
    HWY_DYNAMIC_DISPATCH(f16_to_f32)(src_f16, dst_f32, count);
  } else if (from == DType::kF16 && to == DType::kBF16) {
    HWY_DYNAMIC_DISPATCH(f16_to_bf16)(src_f16, dst_bf16, count);
  } else {
    fail(ErrorCode::kInternal, "internal error: no conversion from ", dtype_name(from), " to ", dtype_name(to));
  }
}

const float* widen(const std::byte* src, DType from, float* buffer, std::size_t count) {
  if (from == DType::kF32) return reinterpret_cast<const float*>(src);
  convert(src, from, reinterpret_cast<std::byte*>(buffer), DType::kF32, count);
  return buffer;
}

const float* widen_vector(const Tensor& vector, float* buffer) {
  if (vector.empty()) return nullptr;
  const std::int64_t count = vector.dim(vector.rank() - 1);
  convert(vector.data, vector.dtype, reinterpret_cast<std::byte*>(buffer), DType::kF32,
          static_cast<std::size_t>(count));
  return buffer;
}

}  // namespace steadyflux::cpu
#endif
