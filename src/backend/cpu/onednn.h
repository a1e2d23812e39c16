// What the users of oneDNN share, and all that differs between its versions 2 and 3. For .cc files.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include "base/dtype.h"
#include "base/error.h"

namespace steadyflux::cpu {

inline dnnl::memory::data_type library_type(DType dtype) {
  ensure(dtype == DType::kF32 || dtype == DType::kBF16, "matrix product in ", dtype_name(dtype));
  return dtype == DType::kF32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

inline const dnnl::engine& library_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// Memory whose address is set before each use.
inline dnnl::memory unbound(const dnnl::memory::desc& desc) { return {desc, library_engine(), DNNL_MEMORY_NONE}; }

// A matrix product y = x w. Version 3 dropped the operation descriptor.
template <typename Primitive = dnnl::matmul, typename Desc = dnnl::memory::desc, typename Attr = dnnl::primitive_attr>
typename Primitive::primitive_desc describe_product(const Desc& x, const Desc& w, const Desc& y, const Attr& attr) {
  if constexpr (requires { typename Primitive::desc; }) {
    return {typename Primitive::desc(x, w, y), attr, library_engine()};
  } else {
    return {library_engine(), x, w, y, attr};
  }
}

// A direct convolution without bias.
template <typename Primitive = dnnl::convolution_forward, typename Desc = dnnl::memory::desc,
          typename Dims = dnnl::memory::dims>
typename Primitive::primitive_desc describe_convolution(const Desc& x, const Desc& w, const Desc& y,
                                                        const Dims& strides, const Dims& before, const Dims& after) {
  constexpr auto kKind = dnnl::prop_kind::forward_inference;
  constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
  if constexpr (requires { typename Primitive::desc; }) {
    return {typename Primitive::desc(kKind, kAlgorithm, x, w, y, strides, before, after), library_engine()};
  } else {
    return {library_engine(), kKind, kAlgorithm, x, w, y, strides, before, after};
  }
}

}  // namespace steadyflux::cpu
