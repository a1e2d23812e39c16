// Operations that work row by row: norms, elementwise operations, embeddings, sampler steps.
#pragma once

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

std::size_t scratch_bytes(const Context& context, const ops::LayerNorm& op);
std::size_t scratch_bytes(const Context& context, const ops::RmsNorm& op);
std::size_t scratch_bytes(const Context& context, const ops::QkNormRope& op);
std::size_t scratch_bytes(const Context& context, const ops::Glu& op);
std::size_t scratch_bytes(const Context& context, const ops::Add& op);
std::size_t scratch_bytes(const Context& context, const ops::EmbedRows& op);
std::size_t scratch_bytes(const Context& context, const ops::EulerStep& op);
std::size_t scratch_bytes(const Context& context, const ops::TrueCfg& op);

void run(Context& context, const ops::LayerNorm& op, Arena& scratch);
void run(Context& context, const ops::RmsNorm& op, Arena& scratch);
void run(Context& context, const ops::QkNormRope& op, Arena& scratch);
void run(Context& context, const ops::Glu& op, Arena& scratch);
void run(Context& context, const ops::Add& op, Arena& scratch);
void run(Context& context, const ops::EmbedRows& op, Arena& scratch);
void run(Context& context, const ops::EulerStep& op, Arena& scratch);
void run(Context& context, const ops::TrueCfg& op, Arena& scratch);

}  // namespace steadyflux::cpu
