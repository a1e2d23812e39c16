#include "pipeline/bench/synthetic_checkpoint.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "format/dialect/dialect.h"
#include "format/json.h"
#include "format/model_dir.h"
#include "io/file.h"
#include "memory/lease.h"
#include "pipeline/model_configs.h"

namespace steadyflux::bench {
namespace {

namespace fs = std::filesystem;

// Of the published files.
constexpr std::uint64_t kDiffusersShardBytes = 10'000'000'000;
constexpr std::uint64_t kTransformersShardBytes = 5'000'000'000;

// Far above any tokenizer or configuration.
constexpr std::uint64_t kMaxSmallFileBytes = std::uint64_t{256} << 20;

// A count of layers that replaces the value of a key.
struct DepthChange {
  std::string_view key;
  std::optional<std::int64_t> layers;
};

std::vector<WeightSpec> weights_of(std::vector<GroupSpec> groups) {
  std::vector<WeightSpec> weights;
  for (GroupSpec& group : groups) {
    for (WeightSpec& weight : group.weights) weights.push_back(std::move(weight));
  }
  return weights;
}

template <typename T>
std::vector<T> together(std::vector<T> first, std::vector<T> second) {
  std::move(second.begin(), second.end(), std::back_inserter(first));
  return first;
}

// Where a transformer's weight stands among the modules of the published class: embedders, double blocks, single
// blocks, output. Our groups keep modulation layers apart from their blocks.
std::pair<int, int> module_rank(std::string_view name) {
  const auto block = [&](std::string_view list) {
    int index = 0;
    std::from_chars(name.data() + list.size(), name.data() + name.size(), index);
    return index;
  };
  constexpr std::string_view kDouble = "transformer_blocks.";
  constexpr std::string_view kSingle = "single_transformer_blocks.";
  if (name.starts_with(kDouble)) return {1, block(kDouble)};
  if (name.starts_with(kSingle)) return {2, block(kSingle)};
  return {name.starts_with("norm_out.") || name.starts_with("proj_out.") ? 3 : 0, 0};
}

// As the publishing libraries write them.
std::vector<TensorSpec> tensors_of(const std::vector<WeightSpec>& weights, Component component, DType dtype) {
  std::vector<std::string> names;
  std::map<std::string_view, const Shape*> shapes;
  for (const WeightSpec& weight : weights) {
    names.push_back(weight.name);
    shapes[weight.name] = &weight.shape;
  }
  std::vector<TensorSpec> tensors;
  for (JoinedWeights& joined_weights : joined(names, component, Dialect::kDiffusers)) {
    TensorSpec tensor{std::move(joined_weights.name), dtype, {}};
    const Shape& first = *shapes.at(joined_weights.parts.front());
    for (int i = 0; i < first.rank(); ++i) tensor.shape.push_back(first[i]);
    for (std::size_t i = 1; i < joined_weights.parts.size(); ++i) {
      tensor.shape[0] += (*shapes.at(joined_weights.parts[i]))[0];
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::vector<TensorSpec> flux_tensors(const FluxConfig& config, DType dtype) {
  const auto weights = weights_of(together(flux_modulate_groups(config), flux_denoise_groups(config)));
  auto tensors = tensors_of(weights, Component::kTransformer, dtype);
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const TensorSpec& a, const TensorSpec& b) { return module_rank(a.name) < module_rank(b.name); });
  return tensors;
}

class Planner {
 public:
  explicit Planner(const SyntheticOptions& options) : options_(options), like_(open_model_dir(options.like)) {
    checkpoint_.out = options.out;
    checkpoint_.seed = options.seed;
  }

  SyntheticCheckpoint plan() {
    add_transformer();
    add_autoencoder();
    add_encoders();
    for (const std::string_view name : {"scheduler", "tokenizer", "tokenizer_2"}) {
      if (like_.has(name)) copy_directory(name);
    }
    std::error_code ignored;
    if (fs::exists(options_.like / "steadyflux.json", ignored)) copy_file("steadyflux.json");
    copy_file("model_index.json");
    return std::move(checkpoint_);
  }

 private:
  void add_transformer() {
    const Config config = changed_config(
        "transformer", {{"num_layers", options_.double_blocks}, {"num_single_layers", options_.single_blocks}});
    add_weights("transformer", kDiffusersStem, kDiffusersShardBytes, flux_tensors(flux_config(config), options_.dtype));
  }

  void add_autoencoder() {
    const AutoencoderConfig config = autoencoder_config(changed_config("vae", {}));
    const auto weights = weights_of(together(encoder_groups(config), decoder_groups(config)));
    add_weights("vae", kDiffusersStem, kDiffusersShardBytes,
                tensors_of(weights, Component::kAutoencoder, options_.dtype));
  }

  void add_encoders() {
    if (has_encoder("text_encoder", options_.clip_layers)) {
      const Config config = changed_config("text_encoder", {{"num_hidden_layers", options_.clip_layers}});
      add_weights("text_encoder", kTransformersStem, kTransformersShardBytes,
                  tensors_of(weights_of(clip_groups(clip_config(config))), Component::kClip, options_.dtype));
    }
    if (has_encoder("text_encoder_2", options_.t5_layers)) {
      const Config config = changed_config("text_encoder_2", {{"num_layers", options_.t5_layers}});
      add_weights("text_encoder_2", kTransformersStem, kTransformersShardBytes,
                  tensors_of(weights_of(t5_groups(t5_config(config))), Component::kT5, options_.dtype));
    }
  }

  bool has_encoder(std::string_view name, std::optional<std::int64_t> layers) const {
    if (like_.has(name)) return true;
    if (!layers) return false;
    fail(ErrorCode::kInvalidArgument, options_.like.string(), " has no ", name, ", so its layers cannot be set to ",
         *layers);
  }

  // The component's configuration with other depths; it goes to the checkpoint's files.
  Config changed_config(std::string_view component, const std::vector<DepthChange>& changes) {
    const fs::path path = fs::path(component) / "config.json";
    Json json = read_json(options_.like / path);
    for (const DepthChange& change : changes) {
      if (change.layers) json[std::string(change.key)] = *change.layers;
    }
    checkpoint_.files.push_back({path, json.dump(2) + "\n"});
    return Config::parse(checkpoint_.files.back().content, (options_.like / path).string());
  }

  void add_weights(std::string_view component, std::string_view stem, std::uint64_t published_shard_bytes,
                   std::vector<TensorSpec> tensors) {
    auto shards = shards_for(component, stem, published_shard_bytes, std::move(tensors));
    if (shards.size() > 1) {
      checkpoint_.files.push_back({fs::path(component) / index_name(stem), index_json(shards)});
    }
    checkpoint_.weights_bytes += num_bytes(shards);
    checkpoint_.components.push_back({std::string(component), std::move(shards)});
  }

  std::vector<Shard> shards_for(std::string_view component, std::string_view stem, std::uint64_t published_shard_bytes,
                                std::vector<TensorSpec> tensors) const {
    const auto published = find_weight_map(like_.component_dir(component), stem);
    if (published && !options_.shard_bytes) {
      if (auto same = shards_like(*published, stem, tensors)) return std::move(*same);
    }
    const std::uint64_t max_bytes = options_.shard_bytes.value_or(published_shard_bytes);
    if (!published && num_bytes(tensors) <= max_bytes) return one_file(stem, std::move(tensors));
    return shards_of(stem, std::move(tensors), max_bytes);
  }

  void copy_file(const fs::path& path) {
    checkpoint_.files.push_back({path, read_whole_file(options_.like / path, kMaxSmallFileBytes)});
  }

  void copy_directory(std::string_view name) {
    for (const auto& entry : fs::directory_iterator(like_.component_dir(name))) {
      if (entry.is_regular_file()) copy_file(fs::path(name) / entry.path().filename());
    }
  }

  const SyntheticOptions& options_;
  ModelDir like_;
  SyntheticCheckpoint checkpoint_;
};

}  // namespace

SyntheticCheckpoint plan_synthetic_checkpoint(const SyntheticOptions& options) { return Planner(options).plan(); }

}  // namespace steadyflux::bench
