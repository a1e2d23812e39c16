#include "pipeline/host_values.h"

#include <algorithm>
#include <cstring>

#include "base/bf16.h"
#include "base/error.h"

namespace steadyflux {

void store_values(std::span<const float> values, DType dtype, std::span<std::byte> out) {
  ensure(dtype == DType::kF32 || dtype == DType::kBF16, "activations are f32 or bf16");
  if (dtype == DType::kF32) {
    ensure(out.size() == values.size_bytes(), "room for other than ", values.size(), " values");
    std::memcpy(out.data(), values.data(), out.size());
    return;
  }
  ensure(out.size() == values.size() * sizeof(BFloat16), "room for other than ", values.size(), " values");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const BFloat16 rounded = bf16_from_float(values[i]);
    std::memcpy(out.data() + i * sizeof(rounded), &rounded, sizeof(rounded));
  }
}

std::vector<float> load_values(std::span<const std::byte> bytes, DType dtype) {
  ensure(dtype == DType::kF32 || dtype == DType::kBF16, "activations are f32 or bf16");
  std::vector<float> values(bytes.size() / (dtype == DType::kF32 ? sizeof(float) : sizeof(BFloat16)));
  if (dtype == DType::kF32) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    BFloat16 stored{};
    std::memcpy(&stored, bytes.data() + i * sizeof(stored), sizeof(stored));
    values[i] = float_from_bf16(stored);
  }
  return values;
}

void upload_values(Backend& backend, std::span<const float> values, const Tensor& tensor) {
  if (tensor.dtype == DType::kF32) {
    backend.upload(std::as_bytes(values), tensor);
    return;
  }
  std::vector<std::byte> bytes(tensor.num_bytes());
  store_values(values, tensor.dtype, bytes);
  backend.upload(bytes, tensor);
}

}  // namespace steadyflux
