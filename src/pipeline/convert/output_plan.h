// Which tensors a converted component has, and of what types.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/dialect/dialect.h"
#include "format/tensor_info.h"
#include "format/weight_index.h"
#include "memory/lease.h"
#include "pipeline/convert/options.h"

namespace steadyflux::convert {

enum class Container { kSafetensors, kGguf };

// safetensors hold nf4, fp4 and i8, GGUF files the types that have their scales inside; both hold f32, f16 and bf16.
bool can_hold(Container container, DType dtype);

// One tensor to be written. Of nf4, fp4 and i8 it stands for several in the file: see tensors_of().
struct OutputTensor {
  std::string name;                // in the file
  std::vector<std::string> parts;  // canonical weights, whose rows it has one after another
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;  // outermost first
  bool fell_back = false;           // its rows are not whole blocks of the type asked for

  std::int64_t num_elements() const;
  // As a matrix: rows of the innermost dimension; of all in one row when there is no other.
  std::int64_t row_length() const { return shape.size() < 2 ? num_elements() : num_elements() / shape[0]; }
  std::int64_t num_rows() const { return shape.size() < 2 ? 1 : shape[0]; }
};

// What one component's file is to hold.
struct OutputPlan {
  Component component = Component::kTransformer;
  Container container = Container::kSafetensors;
  std::vector<OutputTensor> tensors;
};

// Types: that of the last rule that matches; or `to` for every weight if that is f32, f16 or bf16; or `to` for the
// linear layers of the blocks, their modulation included, while embedders, norms and the final layer stay as they are.
// (To nf4 and fp4 in the way that bitsandbytes' loaders expect: with the transformer's proj_out, without T5's wo.) Rows
// that are not whole blocks of a type are stored as q8_0 or bf16. GGUF files have vectors in f32. What stays is stored
// as bf16 where the container does not have its type. `convert`: false for a component that only changes its container.
// `weights` are those of the model, as its groups list them. Throws Error(kInvalidArgument) for a rule that cannot be
// followed, or a container that cannot hold `to`.
OutputPlan plan_output(const WeightIndex& index, Component component, Container container,
                       std::span<const WeightSpec> weights, const ConvertOptions& options, bool convert);

// Throws Error(kInvalidArgument) naming the first rule that matches no weight of the plans.
void check_rules(std::span<const TypeRule> rules, std::span<const OutputPlan> plans);

// The tensors that the file has for it, in order: of nf4 and fp4 those of scales_apart.h; of i8 weight and scale.
std::vector<TensorSpec> tensors_of(const OutputTensor& tensor);

// The text that goes with an nf4 or fp4 weight, a multiple of eight bytes long.
std::string quant_state(const OutputTensor& tensor);

}  // namespace steadyflux::convert
