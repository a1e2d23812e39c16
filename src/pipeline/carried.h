// What passes from one phase to the next, on the host: no phase's memory outlives it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "backend/backend.h"
#include "io/scratch_file.h"
#include "platform/page_region.h"

namespace steadyflux {

// Rows of equal size, one for each conditioning or image, written once in order. In memory, or, where a directory is
// given, in a file there with memory for one row. Thread rule: one thread.
class CarriedRows {
 public:
  CarriedRows() = default;
  CarriedRows(std::size_t count, std::size_t row_bytes, const std::filesystem::path& spill_directory = {});

  bool empty() const { return memory_.size() == 0; }

  // A row that is in memory, to be filled or read in any order.
  std::span<std::byte> row(std::size_t index) const;

  void store(std::size_t index, std::span<const std::byte> bytes);
  // Valid until the next call.
  std::span<const std::byte> load(std::size_t index);

  // The same from and to a contiguous tensor.
  void keep(Backend& backend, const Tensor& tensor, std::size_t index);
  void give(Backend& backend, std::size_t index, const Tensor& tensor) { backend.upload(load(index), tensor); }

 private:
  // Where a row of memory is: its own, or the only one.
  std::span<std::byte> room(std::size_t index) const;
  void spill(std::size_t index);

  std::size_t row_bytes_ = 0;
  PageRegion memory_;
  std::unique_ptr<ScratchFile> file_;
};

// Each is filled by one phase and let go after the one that reads it.
struct Carried {
  std::filesystem::path spill_directory;  // empty: in memory

  CarriedRows prompt_embeds;  // encode to modulate: [tokens, joint_attention_dim] a conditioning
  CarriedRows pooled;         // encode to modulate: [1, pooled_projection_dim] a conditioning
  CarriedRows txt;            // modulate to denoise: [tokens, width] a conditioning
  CarriedRows modulations;    // modulate to denoise: [steps, modulation_width] a conditioning
  CarriedRows latents;        // to decode: [tokens, channels] f32 an image

  CarriedRows given_latents;  // to denoise: those to start from, if they do not come from seeds

  CarriedRows make(std::size_t count, std::size_t row_bytes) const { return {count, row_bytes, spill_directory}; }
};

}  // namespace steadyflux
