// The numbers that the codes of quantised types stand for, where kernels can read them.
#pragma once

namespace steadyflux::cuda {

// tensor/codec.h's tables in the device's memory.
struct Tables {
  const float* nf4 = nullptr;     // 16
  const float* fp4 = nullptr;     // 16
  const float* iq4 = nullptr;     // 16
  const float* nested = nullptr;  // 256
};

}  // namespace steadyflux::cuda
