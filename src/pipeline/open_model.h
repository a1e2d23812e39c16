// A model directory, opened: configurations, weight extents and group layouts of every component; no weights.
#pragma once

#include <filesystem>
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
#include "pipeline/cache/content_memory.h"
#include "sampling/schedule.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {

// The weights of one part of a component: where they are and how they are grouped.
struct WeightPart {
  const WeightIndex* index = nullptr;  // of the component, owned by OpenModel
  std::vector<GroupLayout> groups;
  FilesState opened;  // the component's files, just before they were opened
};

// Immutable once opened, but for the encoders, which are opened when something is to be encoded. Move-only, since parts
// point into it.
struct OpenModel {
  std::string name;  // of the directory or, in place of its transformer, the file
  ModelDir dir;

  FluxConfig flux;
  AutoencoderConfig autoencoder;
  sampling::SchedulerConfig scheduler;
  std::optional<ClipConfig> clip;  // absent until open_encoders()
  std::optional<T5Config> t5;

  std::vector<std::unique_ptr<WeightIndex>> indexes;
  WeightPart clip_part;
  WeightPart t5_part;
  WeightPart modulate_part;
  WeightPart denoise_part;
  WeightPart decoder_part;

  // The dtype that most of the transformer's bytes have.
  DType weights_dtype = DType::kF32;

  // Told with every result: what was opened and may not be what was meant.
  std::vector<std::string> warnings;

  // Whether the directory has encoders, opened or not.
  bool has_encoders() const { return dir.has("text_encoder") && dir.has("text_encoder_2"); }
};

// Throws Error as open_model_dir, the configurations, place_groups and check_all_known do; kUnsupported for a
// transformer whose channels are not those of the autoencoder's packed latents (Fill, Canny, Depth).
// Opens no file of the encoders. A transformer whose weights are replaced has the configuration that they show.
OpenModel open_model(const std::filesystem::path& directory, const ReplacedWeights& replaced = {});

// The model that `options` name, with the files that they put in its components' place. Throws what find_model and the
// above throw.
OpenModel open_model(const EngineOptions& options);

// Opens the encoders, which the directory has, unless they are open. Throws Error like open_model; kInvalidFile when
// they are not the transformer's.
void open_encoders(OpenModel& model);

}  // namespace steadyflux
