#include "pipeline/convert/write_weights.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"
#include "format/gguf.h"
#include "format/gguf_types.h"
#include "format/safetensors.h"
#include "format/shards.h"
#include "io/file.h"
#include "pipeline/convert/weight_rows.h"
#include "tensor/codec.h"

namespace steadyflux::convert {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxShardBytes = 5'000'000'000;
constexpr std::int64_t kLargestElementBytes = 4;

// With everything that belongs to it in the file.
std::uint64_t bytes_of_tensor(const OutputTensor& tensor) { return num_bytes(tensors_of(tensor)); }

// The numbers that llama.cpp gives to mixtures of types, by the one that most weights have.
std::uint64_t gguf_file_type(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return 1;
    case DType::kQ4_0:
      return 2;
    case DType::kQ4_1:
      return 3;
    case DType::kQ8_0:
      return 7;
    case DType::kQ5_0:
      return 8;
    case DType::kQ5_1:
      return 9;
    case DType::kQ4K:
      return 14;
    case DType::kQ5K:
      return 16;
    case DType::kQ6K:
      return 18;
    case DType::kBF16:
      return 32;
    default:
      return 0;
  }
}

DType main_dtype(std::span<const OutputTensor> tensors) {
  std::map<DType, std::int64_t> elements;
  for (const OutputTensor& tensor : tensors) elements[tensor.dtype] += tensor.num_elements();
  return std::max_element(elements.begin(), elements.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

std::map<std::string, GgufValue> gguf_metadata(const OutputPlan& plan) {
  constexpr std::uint64_t kQuantizationVersion = 2;
  return {{"general.architecture", std::string(plan.component == Component::kT5 ? "t5encoder" : "flux")},
          {"general.file_type", gguf_file_type(main_dtype(plan.tensors))},
          {"general.quantization_version", kQuantizationVersion}};
}

std::vector<TensorSpec> specs_of(std::span<const OutputTensor> tensors) {
  std::vector<TensorSpec> specs;
  for (const OutputTensor& tensor : tensors) {
    for (TensorSpec& spec : tensors_of(tensor)) specs.push_back(std::move(spec));
  }
  return specs;
}

// Tensors stay together with what belongs to them.
std::vector<std::size_t> cut_whole(std::span<const OutputTensor> tensors) {
  std::vector<std::uint64_t> piece_bytes;
  for (const OutputTensor& tensor : tensors) piece_bytes.push_back(bytes_of_tensor(tensor));
  return pieces_per_file(piece_bytes, kMaxShardBytes);
}

void write_index(const fs::path& path, std::span<const Shard> shards) {
  AtomicFile file(path);
  file.write(index_json(shards));
  file.commit();
}

std::span<const std::byte> bytes_of_floats(std::span<const float> values) { return std::as_bytes(values); }

}  // namespace

std::uint64_t fixed_bytes(std::span<const OutputPlan> plans, int num_threads) {
  std::uint64_t largest_scales = 0;
  std::int64_t longest_row = 0;
  for (const OutputPlan& plan : plans) {
    for (const OutputTensor& tensor : plan.tensors) {
      const std::int64_t scales = tensor.num_rows() * scales_per_row(tensor.dtype, tensor.row_length());
      largest_scales = std::max(largest_scales, static_cast<std::uint64_t>(scales) * sizeof(float));
      longest_row = std::max(longest_row, tensor.row_length());
    }
  }
  return largest_scales + RowEncoder::scratch_bytes(num_threads, longest_row);
}

std::uint64_t largest_row_bytes(std::span<const OutputPlan> plans) {
  std::int64_t longest_row = 0;
  for (const OutputPlan& plan : plans) {
    for (const OutputTensor& tensor : plan.tensors) longest_row = std::max(longest_row, tensor.row_length());
  }
  return static_cast<std::uint64_t>(2 * kLargestElementBytes * longest_row);
}

std::uint64_t total_bytes(const OutputPlan& plan) {
  std::uint64_t sum = 0;
  for (const OutputTensor& tensor : plan.tensors) sum += bytes_of_tensor(tensor);
  return sum;
}

bool ComponentWriter::write_file(const fs::path& path, const WeightIndex& index, const OutputPlan& plan,
                                 std::span<const OutputTensor> tensors, Advance advance) {
  const std::vector<TensorSpec> specs = specs_of(tensors);
  std::unique_ptr<TensorWriter> writer;
  if (plan.container == Container::kGguf) {
    writer = std::make_unique<GgufWriter>(path, specs, gguf_metadata(plan));
  } else {
    writer = std::make_unique<SafetensorsWriter>(path, specs, std::map<std::string, std::string>{{"format", "pt"}});
  }
  for (const OutputTensor& tensor : tensors) {
    TensorResult result{std::string(component_name(plan.component)),
                        tensor.name,
                        index.at(tensor.parts.front()).dtype,
                        tensor.dtype,
                        static_cast<std::uint64_t>(tensor.num_elements()),
                        bytes_of_tensor(tensor),
                        tensor.fell_back,
                        {}};
    if (!write_tensor(*writer, index, tensor, advance, result)) return false;
    results_.push_back(std::move(result));
  }
  writer->commit();
  return true;
}

bool ComponentWriter::write_directory(const fs::path& directory, std::string_view stem, const WeightIndex& index,
                                      const OutputPlan& plan, Advance advance) {
  if (plan.container == Container::kGguf) {
    return write_file(directory / (std::string(stem) + ".gguf"), index, plan, plan.tensors, advance);
  }
  const std::vector<std::size_t> counts = cut_whole(plan.tensors);
  std::span<const OutputTensor> rest = plan.tensors;
  std::vector<Shard> shards;
  for (const std::size_t count : counts) {
    const auto tensors = rest.first(count);
    rest = rest.subspan(count);
    shards.push_back({shard_name(stem, shards.size() + 1, counts.size()), specs_of(tensors)});
    if (!write_file(directory / shards.back().file_name, index, plan, tensors, advance)) return false;
  }
  if (shards.size() > 1) write_index(directory / index_name(stem), shards);
  return true;
}

bool ComponentWriter::write_tensor(TensorWriter& writer, const WeightIndex& index, const OutputTensor& tensor,
                                   Advance advance, TensorResult& result) {
  const std::int64_t scales = tensor.num_rows() * scales_per_row(tensor.dtype, tensor.row_length());
  scales_.resize(static_cast<std::size_t>(scales));
  num_scales_ = 0;
  for (const std::string& part : tensor.parts) {
    if (!write_part(writer, index, tensor, part, advance, result)) return false;
  }
  const std::vector<TensorSpec> specs = tensors_of(tensor);
  if (specs.size() == 1) return true;
  writer.write(specs[1].name, bytes_of_floats(scales_));
  if (specs.size() == 2) return true;
  writer.write(specs[2].name, bytes_of_floats(codec::four_bit_codes(tensor.dtype)));
  const std::string state = quant_state(tensor);
  writer.write(specs[3].name, std::as_bytes(std::span<const char>(state)));
  return true;
}

bool ComponentWriter::write_part(TensorWriter& writer, const WeightIndex& index, const OutputTensor& tensor,
                                 std::string_view part, Advance advance, TensorResult& result) {
  const std::int64_t num_elements = index.at(part).num_elements();
  const std::int64_t row_length = tensor.shape.size() < 2 ? num_elements : tensor.row_length();
  const std::int64_t num_rows = num_elements / row_length;
  WeightRows weight(index, part, num_rows, row_length);
  const bool copied = weight.dtype() == tensor.dtype && !has_scales_apart(tensor.dtype);
  const std::uint64_t row_bytes = weight.bytes_of_rows(1) + stored_bytes(tensor.dtype, 1, row_length);
  const auto chunk_rows = static_cast<std::int64_t>(std::max<std::uint64_t>(chunk_bytes_ / row_bytes, 1));
  for (std::int64_t begin = 0; begin < num_rows; begin += chunk_rows) {
    const std::int64_t count = std::min(chunk_rows, num_rows - begin);
    const Tensor rows = weight.read(begin, count);
    if (copied) {
      writer.write(tensor.name, {rows.data, rows.num_bytes()});
    } else {
      const auto scales = static_cast<std::size_t>(count * scales_per_row(tensor.dtype, row_length));
      out_.resize(stored_bytes(tensor.dtype, count, row_length));
      try {
        result.errors.add(encoder_.encode(rows, tensor.dtype, out_, std::span(scales_).subspan(num_scales_, scales)));
      } catch (const Error& error) {
        fail(error.code(), index.component(), ": ", part, " as ", dtype_name(tensor.dtype), ": ", error.what());
      }
      num_scales_ += scales;
      writer.write(tensor.name, out_);
    }
    if (!advance(static_cast<std::uint64_t>(count * row_length))) return false;
  }
  return true;
}

}  // namespace steadyflux::convert
