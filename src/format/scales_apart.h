// Weights whose scales are tensors of their own, brought together.
//
// bitsandbytes (NF4 and FP4, as diffusers and transformers write them): X.weight [elements / 2, 1] u8, two elements a
// byte; X.weight.absmax; X.weight.quant_map; if nested, X.weight.nested_absmax and X.weight.nested_quant_map; and
// X.weight.quant_state.bitsandbytes__nf4 (or __fp4), a JSON text that has the shape. Source: QuantState.as_dict in
// bitsandbytes' functional.py.
// Our own: X.weight [rows, columns] i8 with X.weight_scale [rows] f32; element = code * scale of its row.
#pragma once

#include <memory>
#include <span>

#include "format/weight_entry.h"
#include "io/file.h"

namespace steadyflux {

// Makes one entry of each such weight. Reads what is small: texts and tables of codes, and no scales.
// Throws Error naming the tensor: kInvalidFile when one is missing, of another shape, or of no meaning; kUnsupported
// when codes, block sizes or types are not the usual ones, or rows not whole blocks.
void join_scales(WeightEntries& entries, std::span<const std::shared_ptr<const ReadableFile>> files);

}  // namespace steadyflux
