// A golden case: a small model directory and what the reference computed with it at every stage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/executor.h"
#include "base/function_ref.h"
#include "format/model_dir.h"
#include "memory/lease.h"
#include "tensor/tensor.h"

namespace steadyflux::golden {

// A tensor in host memory that owns its elements.
struct HostTensor {
  std::vector<std::byte> bytes;
  DType dtype = DType::kF32;
  Shape shape;

  HostTensor() = default;
  HostTensor(DType type, const Shape& dims) : bytes(tensor_bytes(type, dims)), dtype(type), shape(dims) {}

  Tensor view() { return {bytes.data(), dtype, shape}; }
  // Every element widened to f32, whatever its dtype.
  std::vector<float> values() const;
};

// `values` as a tensor of `dtype` (f32 or bf16).
HostTensor make_tensor(std::span<const float> values, const Shape& shape, DType dtype = DType::kF32);

struct Case {
  ModelDir model;
  Config request;  // case.json
  std::map<std::string, HostTensor, std::less<>> expected;

  const HostTensor& at(std::string_view name) const;
  bool has(std::string_view name) const { return expected.contains(name); }
  // Integer tensors, narrowed.
  std::vector<std::int32_t> token_ids(std::string_view name) const;
};

// Loads tests/golden/data/<name> with the tensors of <expected>.safetensors.
Case load_case(std::string_view name, std::string_view expected = "expected");

bool has_expected(std::string_view name, std::string_view expected);

// Names of all cases in tests/golden/data.
std::vector<std::string> case_names();

// Runs `forward` as a plan would: first on the measure backend, then in an arena of exactly the size that was measured.
// Memory of `backend` is host memory.
void run_planned(Backend& backend, const WeightIndex& index, std::span<const GroupSpec> groups,
                 FunctionRef<void(const Executor&, WeightSource&)> forward);

// ||actual - expected||_max / ||expected||_max.
double relative_error(std::span<const float> actual, std::span<const float> expected);

}  // namespace steadyflux::golden
