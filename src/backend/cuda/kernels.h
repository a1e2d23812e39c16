// The operations that are one kernel each, given to a stream. Each takes one that satisfies ops::check, and throws
// Error(kInternal) when a kernel cannot start. Thread rule: as Backend.
#pragma once

#include <cuda_runtime_api.h>

#include "ops/ops.h"

namespace steadyflux::cuda {

void launch(const ops::LayerNorm& op, cudaStream_t stream);
void launch(const ops::RmsNorm& op, cudaStream_t stream);
void launch(const ops::QkNormRope& op, cudaStream_t stream);
void launch(const ops::GroupNormRows& op, cudaStream_t stream);
void launch(const ops::GroupNormStats& op, cudaStream_t stream);
void launch(const ops::GroupNormApply& op, cudaStream_t stream);
void launch(const ops::Glu& op, cudaStream_t stream);
void launch(const ops::Add& op, cudaStream_t stream);
void launch(const ops::EulerStep& op, cudaStream_t stream);
void launch(const ops::TrueCfg& op, cudaStream_t stream);
void launch(const ops::UnpackLatents& op, cudaStream_t stream);
void launch(const ops::PackLatents& op, cudaStream_t stream);
void launch(const ops::ToRgb8& op, cudaStream_t stream);

}  // namespace steadyflux::cuda
