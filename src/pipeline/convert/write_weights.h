// Writes a component's planned tensors, a chunk of rows at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "format/tensor_writer.h"
#include "format/weight_index.h"
#include "pipeline/convert/output_plan.h"
#include "pipeline/convert/report.h"

namespace steadyflux::convert {

// Told the elements that are done since the last call; false ends the work.
using Advance = FunctionRef<bool(std::uint64_t elements)>;

// Memory that the conversion needs besides chunks: a worker's rows, the scales of the largest tensor.
std::uint64_t fixed_bytes(std::span<const OutputPlan> plans, int num_threads);
// What one row takes of a chunk, in the types that it has and gets.
std::uint64_t largest_row_bytes(std::span<const OutputPlan> plans);

// Bytes of all tensors in their files.
std::uint64_t total_bytes(const OutputPlan& plan);

// One component after the other. Thread rule: one thread at a time.
class ComponentWriter {
 public:
  // Chunks take `chunk_bytes`, or what one row needs. Borrows everything.
  ComponentWriter(ThreadPool& pool, std::uint64_t chunk_bytes, std::vector<TensorResult>& results)
      : encoder_(pool), chunk_bytes_(chunk_bytes), results_(results) {}

  // One file; false when `advance` ended it, and there is no file then. Throws Error naming the tensor for numbers that
  // its type cannot hold, and what reading and writing throw.
  bool write_file(const std::filesystem::path& path, const WeightIndex& index, const OutputPlan& plan,
                  std::span<const OutputTensor> tensors, Advance advance);

  // All in `directory`: a GGUF file; or safetensors, in several files beyond 5 GB, with an index. `stem` is what the
  // publishing libraries call them.
  bool write_directory(const std::filesystem::path& directory, std::string_view stem, const WeightIndex& index,
                       const OutputPlan& plan, Advance advance);

 private:
  bool write_tensor(TensorWriter& writer, const WeightIndex& index, const OutputTensor& tensor, Advance advance,
                    TensorResult& result);
  bool write_part(TensorWriter& writer, const WeightIndex& index, const OutputTensor& tensor, std::string_view part,
                  Advance advance, TensorResult& result);

  RowEncoder encoder_;
  std::uint64_t chunk_bytes_;
  std::vector<TensorResult>& results_;
  std::vector<std::byte> out_;
  std::vector<float> scales_;   // of the tensor being written
  std::size_t num_scales_ = 0;  // of them, done
};

}  // namespace steadyflux::convert
