#include "golden/golden_case.h"

#include <algorithm>
#include <cmath>

#include "backend/measure/measure_backend.h"
#include "base/bf16.h"
#include "base/error.h"
#include "format/safetensors.h"
#include "memory/resident_store.h"

namespace steadyflux::golden {

namespace {

std::filesystem::path data_dir() { return std::filesystem::path(STEADYFLUX_GOLDEN_DATA); }

Shape make_shape(std::span<const std::int64_t> dims) {
  switch (dims.size()) {
    case 1:
      return {dims[0]};
    case 2:
      return {dims[0], dims[1]};
    case 3:
      return {dims[0], dims[1], dims[2]};
    default:
      return {dims[0], dims[1], dims[2], dims[3]};
  }
}

template <typename T>
std::span<const T> elements(const HostTensor& tensor) {
  return {reinterpret_cast<const T*>(tensor.bytes.data()), tensor.bytes.size() / sizeof(T)};
}

}  // namespace

std::vector<float> HostTensor::values() const {
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(shape.num_elements()));
  switch (dtype) {
    case DType::kF32:
      for (const float x : elements<float>(*this)) result.push_back(x);
      break;
    case DType::kBF16:
      for (const BFloat16 x : elements<BFloat16>(*this)) result.push_back(float_from_bf16(x));
      break;
    case DType::kU8:
      for (const std::uint8_t x : elements<std::uint8_t>(*this)) result.push_back(x);
      break;
    default:
      fail(ErrorCode::kInternal, "no values of ", dtype_name(dtype));
  }
  return result;
}

HostTensor make_tensor(std::span<const float> values, const Shape& shape, DType dtype) {
  HostTensor tensor(dtype, shape);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::kF32) {
      tensor.view().as<float>()[i] = values[i];
    } else {
      tensor.view().as<BFloat16>()[i] = bf16_from_float(values[i]);
    }
  }
  return tensor;
}

const HostTensor& Case::at(std::string_view name) const {
  const auto found = expected.find(name);
  ensure(found != expected.end(), "the golden case has no ", name);
  return found->second;
}

std::vector<std::int32_t> Case::token_ids(std::string_view name) const {
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : elements<std::int64_t>(at(name))) ids.push_back(static_cast<std::int32_t>(id));
  return ids;
}

Case load_case(std::string_view name, std::string_view expected) {
  const std::filesystem::path dir = data_dir() / name;
  Case golden{open_model_dir(dir / "model"), Config::load(dir / "case.json"), {}};
  const auto file = open_file(dir / (std::string(expected) + ".safetensors"));
  for (const TensorInfo& info : read_safetensors_header(*file).tensors) {
    HostTensor tensor(info.dtype, make_shape(info.shape));
    file->read(info.offset, tensor.bytes);
    golden.expected.emplace(info.name, std::move(tensor));
  }
  return golden;
}

bool has_expected(std::string_view name, std::string_view expected) {
  return std::filesystem::exists(data_dir() / name / (std::string(expected) + ".safetensors"));
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir())) {
    if (std::filesystem::exists(entry.path() / "case.json")) names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

void run_planned(Backend& backend, const WeightIndex& index, std::span<const GroupSpec> groups,
                 FunctionRef<void(const Executor&, WeightSource&)> forward) {
  const std::vector<GroupLayout> layouts = place_groups(index, groups);
  Arena measured = Arena::measuring();
  {
    MeasureBackend measure(backend);
    MeasuredWeights weights(layouts);
    forward(Executor(measure, measured), weights);
  }
  const auto region = backend.reserve(measured.peak_bytes());
  Arena arena(region->data(), region->size_bytes());
  ResidentStore weights(backend, index, layouts);
  forward(Executor(backend, arena), weights);
  ensure(arena.peak_bytes() == measured.peak_bytes(), "measured ", measured.peak_bytes(), " bytes, used ",
         arena.peak_bytes());
}

double relative_error(std::span<const float> actual, std::span<const float> expected) {
  ensure(actual.size() == expected.size(), "comparing ", actual.size(), " elements with ", expected.size());
  double error = 0;
  double norm = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    error = std::isnan(difference) ? INFINITY : std::max(error, difference);
    norm = std::max(norm, std::abs(static_cast<double>(expected[i])));
  }
  return norm == 0 ? error : error / norm;
}

}  // namespace steadyflux::golden
