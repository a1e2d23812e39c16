#include "pipeline/convert/components.h"

#include <algorithm>

#include "base/error.h"
#include "pipeline/model_configs.h"

namespace steadyflux::convert {

std::vector<WeightSpec> weights_of(const OpenModel& model, Component component) {
  std::vector<std::vector<GroupSpec>> lists;
  switch (component) {
    case Component::kTransformer:
      lists = {flux_modulate_groups(model.flux), flux_denoise_groups(model.flux)};
      break;
    case Component::kAutoencoder:
      lists = {encoder_groups(model.autoencoder), decoder_groups(model.autoencoder)};
      break;
    case Component::kClip:
      lists = {clip_groups(*model.clip)};
      break;
    case Component::kT5:
      lists = {t5_groups(*model.t5)};
      break;
  }
  std::vector<WeightSpec> weights;
  for (const auto& groups : lists) {
    for (const GroupSpec& group : groups) weights.insert(weights.end(), group.weights.begin(), group.weights.end());
  }
  std::stable_sort(weights.begin(), weights.end(),
                   [](const WeightSpec& a, const WeightSpec& b) { return a.name < b.name; });
  return weights;
}

const WeightIndex& index_of(const OpenModel& model, Component component) {
  switch (component) {
    case Component::kTransformer:
      return *model.denoise_part.index;
    case Component::kAutoencoder:
      return *model.decoder_part.index;
    case Component::kClip:
      return *model.clip_part.index;
    case Component::kT5:
      return *model.t5_part.index;
  }
  fail(ErrorCode::kInternal, "there is no such component");
}

}  // namespace steadyflux::convert
