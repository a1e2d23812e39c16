// One block of each type to f32: what codec.cc calls. Contracts are codec.h's.
#pragma once

#include "tensor/block_layout.h"

namespace steadyflux::codec {

void decode(const Q4_0& block, float* values);
void decode(const Q4_1& block, float* values);
void decode(const Q5_0& block, float* values);
void decode(const Q5_1& block, float* values);
void decode(const Q8_0& block, float* values);
void decode(const Q2K& block, float* values);
void decode(const Q3K& block, float* values);
void decode(const Q4K& block, float* values);
void decode(const Q5K& block, float* values);
void decode(const Q6K& block, float* values);
void decode(const Iq4Nl& block, float* values);
void decode(const Iq4Xs& block, float* values);

}  // namespace steadyflux::codec
