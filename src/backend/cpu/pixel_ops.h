// Operations on images: group normalisation, latents to pixels and back, pixels to 8-bit RGB.
#pragma once

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

std::size_t scratch_bytes(const Context& context, const ops::GroupNormRows& op);
std::size_t scratch_bytes(const Context& context, const ops::GroupNormStats& op);
std::size_t scratch_bytes(const Context& context, const ops::GroupNormApply& op);
std::size_t scratch_bytes(const Context& context, const ops::UnpackLatents& op);
std::size_t scratch_bytes(const Context& context, const ops::PackLatents& op);
std::size_t scratch_bytes(const Context& context, const ops::ToRgb8& op);

void run(Context& context, const ops::GroupNormRows& op, Arena& scratch);
void run(Context& context, const ops::GroupNormStats& op, Arena& scratch);
void run(Context& context, const ops::GroupNormApply& op, Arena& scratch);
void run(Context& context, const ops::UnpackLatents& op, Arena& scratch);
void run(Context& context, const ops::PackLatents& op, Arena& scratch);
void run(Context& context, const ops::ToRgb8& op, Arena& scratch);

}  // namespace steadyflux::cpu
