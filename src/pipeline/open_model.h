// A model directory, opened: configurations, weight extents and group layouts of every component; no weights.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "format/model_dir.h"
#include "memory/group_layout.h"
#include "model/autoencoder/autoencoder.h"
#include "model/clip/clip.h"
#include "model/flux/flux.h"
#include "model/t5/t5.h"
#include "sampling/schedule.h"

namespace steadyflux {

// The weights of one part of a component: where they are and how they are grouped.
struct WeightPart {
  const WeightIndex* index = nullptr;  // of the component, owned by OpenModel
  std::vector<GroupLayout> groups;
};

// Immutable once opened. Move-only, since parts point into it.
struct OpenModel {
  std::string name;  // of the directory
  ModelDir dir;

  FluxConfig flux;
  AutoencoderConfig autoencoder;
  sampling::SchedulerConfig scheduler;
  std::optional<ClipConfig> clip;  // absent where the directory has no encoders
  std::optional<T5Config> t5;

  std::vector<std::unique_ptr<WeightIndex>> indexes;
  WeightPart clip_part;
  WeightPart t5_part;
  WeightPart modulate_part;
  WeightPart denoise_part;
  WeightPart decoder_part;

  // The dtype that most of the transformer's bytes have.
  DType weights_dtype = DType::kF32;

  bool has_encoders() const { return clip.has_value() && t5.has_value(); }
};

// Throws Error as open_model_dir, the configurations, place_groups and check_all_known do; kUnsupported for a
// transformer whose channels are not those of the autoencoder's packed latents (Fill, Canny, Depth).
OpenModel open_model(const std::filesystem::path& directory);

}  // namespace steadyflux
