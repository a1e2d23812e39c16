// One function for each operation; each takes one that satisfies ops::check.
#pragma once

#include <cstddef>
#include <span>

#include "ops/ops.h"

namespace steadyflux::reference {

void compute(const ops::LinearMany& op);
void compute(const ops::LayerNorm& op);
void compute(const ops::RmsNorm& op);
void compute(const ops::QkNormRope& op);
// `scores` holds one number for each row of k.
void compute(const ops::Attention& op, std::span<double> scores);
void compute(const ops::GroupNormRows& op);
void compute(const ops::GroupNormStats& op);
void compute(const ops::GroupNormApply& op);
void compute(const ops::Conv2d& op);
void compute(const ops::EmbedRows& op);
void compute(const ops::Glu& op);
void compute(const ops::Add& op);
void compute(const ops::EulerStep& op);
void compute(const ops::TrueCfg& op);
void compute(const ops::UnpackLatents& op);
void compute(const ops::PackLatents& op);
void compute(const ops::ToRgb8& op);

}  // namespace steadyflux::reference
