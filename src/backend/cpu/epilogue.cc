#include "backend/cpu/epilogue.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/epilogue.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "backend/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {
namespace {

template <ops::Activation kActivation, typename Out>
HWY_INLINE void store_row(const float* row, std::size_t cols, const Epilogue& epilogue, Out* out) {
  for_lanes(cols, [&](auto d, std::size_t i) HWY_ATTR {
    auto value = hn::LoadU(d, row + i);
    if (epilogue.bias != nullptr) value = hn::Add(value, hn::LoadU(d, epilogue.bias + i));
    value = activate<kActivation>(d, value);
    if (epilogue.gate != nullptr) {
      value = hn::MulAdd(value, hn::LoadU(d, epilogue.gate + i), load_element(d, out + i));
    } else if (epilogue.accumulate) {
      value = hn::Add(value, load_element(d, out + i));
    }
    store_element(d, value, out + i);
  });
}

template <typename Out>
HWY_INLINE void store_rows(const float* tile, std::int64_t tile_stride, std::int64_t rows, std::int64_t cols,
                           const Epilogue& epilogue, Out* out, std::int64_t out_stride) {
  with_activation(epilogue.activation, [&](auto activation) HWY_ATTR {
    for (std::int64_t r = 0; r < rows; ++r) {
      store_row<activation.value>(tile + r * tile_stride, static_cast<std::size_t>(cols), epilogue,
                                  out + r * out_stride);
    }
  });
}

void store_tile_f32(const float* tile, std::int64_t tile_stride, std::int64_t rows, std::int64_t cols,
                    const Epilogue& epilogue, float* out, std::int64_t out_stride) {
  store_rows(tile, tile_stride, rows, cols, epilogue, out, out_stride);
}

void store_tile_bf16(const float* tile, std::int64_t tile_stride, std::int64_t rows, std::int64_t cols,
                     const Epilogue& epilogue, std::uint16_t* out, std::int64_t out_stride) {
  store_rows(tile, tile_stride, rows, cols, epilogue, out, out_stride);
}

}  // namespace
}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::cpu {
namespace {
HWY_EXPORT(store_tile_f32);
HWY_EXPORT(store_tile_bf16);
}  // namespace

void store_tile(const float* tile, std::int64_t tile_stride, std::int64_t rows, std::int64_t cols,
                const Epilogue& epilogue, std::byte* out, DType out_dtype, std::int64_t out_stride) {
  if (out_dtype == DType::kF32) {
    HWY_DYNAMIC_DISPATCH(store_tile_f32)
    (tile, tile_stride, rows, cols, epilogue, reinterpret_cast<float*>(out), out_stride);
  } else {
    HWY_DYNAMIC_DISPATCH(store_tile_bf16)
    (tile, tile_stride, rows, cols, epilogue, reinterpret_cast<std::uint16_t*>(out), out_stride);
  }
}

}  // namespace steadyflux::cpu
#endif
