// What passes from one phase to the next, on the host: no phase's memory outlives it.
#pragma once

#include <cstddef>
#include <span>

#include "backend/backend.h"
#include "platform/page_region.h"

namespace steadyflux {

// Rows of equal size, one for each conditioning or image. Thread rule: one thread.
class CarriedRows {
 public:
  CarriedRows() = default;
  CarriedRows(std::size_t count, std::size_t row_bytes) : row_bytes_(row_bytes), memory_(count * row_bytes) {}

  std::span<std::byte> row(std::size_t index) const { return memory_.bytes().subspan(index * row_bytes_, row_bytes_); }

  // Between a row and a contiguous tensor of its size.
  void keep(Backend& backend, const Tensor& tensor, std::size_t index) { backend.download(tensor, row(index)); }
  void give(Backend& backend, std::size_t index, const Tensor& tensor) const { backend.upload(row(index), tensor); }

 private:
  std::size_t row_bytes_ = 0;
  PageRegion memory_;
};

// Each is filled by one phase and let go after the one that reads it.
struct Carried {
  CarriedRows prompt_embeds;  // encode to modulate: [tokens, joint_attention_dim] a conditioning
  CarriedRows pooled;         // encode to modulate: [1, pooled_projection_dim] a conditioning
  CarriedRows txt;            // modulate to denoise: [tokens, width] a conditioning
  CarriedRows modulations;    // modulate to denoise: [steps, modulation_width] a conditioning
  CarriedRows latents;        // to decode: [tokens, channels] f32 an image; before denoise, those given to start from
};

}  // namespace steadyflux
