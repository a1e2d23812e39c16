#include "pipeline/cache/prompt_cache.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "io/file.h"
#include "pipeline/cache/content_memory.h"

namespace steadyflux {
namespace {

constexpr std::uint64_t kMaxTokenizerBytes = 64ull << 20;
constexpr std::uint64_t kMaxConfigBytes = 8ull << 20;

bool contains(const std::vector<std::size_t>& list, std::size_t conditioning) {
  return std::find(list.begin(), list.end(), conditioning) != list.end();
}

void put_back(std::vector<std::size_t>& list, std::size_t conditioning) {
  list.insert(std::lower_bound(list.begin(), list.end(), conditioning), conditioning);
}

// The tensors of one conditioning's entries, and where they are carried; as `encode` writes embeddings to files.
std::vector<TensorTarget> embeds_tensors(const OpenModel& model, const Job& job, const Carried& carried,
                                         std::size_t conditioning) {
  return {{{"prompt_embeds", job.activations, {1, job.max_sequence_length, model.flux.joint_attention_dim}},
           carried.prompt_embeds.row(conditioning)},
          {{"pooled_prompt_embeds", job.activations, {1, model.flux.pooled_projection_dim}},
           carried.pooled.row(conditioning)}};
}

std::vector<TensorTarget> modulation_tensors(const OpenModel& model, const Job& job, const Carried& carried,
                                             std::size_t conditioning) {
  return {{{"txt", job.activations, {job.max_sequence_length, model.flux.width()}}, carried.txt.row(conditioning)},
          {{"modulations", job.activations, {job.num_steps(), modulation_width(model.flux)}},
           carried.modulations.row(conditioning)}};
}

CacheDirectory::Notes warning_notes(const std::vector<std::string>& warnings) {
  CacheDirectory::Notes notes;
  for (const std::string& warning : warnings) notes.emplace("warning " + std::to_string(notes.size()), warning);
  return notes;
}

// Weights together with the configuration that says how they are used; nothing when it can no longer be read. What
// follows from the weights alone needs none.
std::optional<Digest> with_config(const ModelDir& dir, const char* component, const Digest& weights) {
  try {
    Hasher hasher;
    const bool has_config = dir.has_config(component) || dir.replaced_file(component).empty();
    hasher.add(has_config ? read_whole_file(dir.component_dir(component) / "config.json", kMaxConfigBytes) : "");
    hasher.add(weights);
    return hasher.digest();
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

void PromptCache::skip_kept_embeds(Job& job, std::span<const PromptEmbeds> embeds) {
  given_embeds_.clear();
  cut_.assign(job.conditionings.size(), {});
  if (!serves(job)) return;
  for (const PromptEmbeds& given : embeds) {
    given_embeds_.push_back(
        embeds_key(std::as_bytes(std::span(given.prompt_embeds)), std::as_bytes(std::span(given.pooled))));
  }
  if (!job.from_embeds) {
    clip_tokenizer_ = tokenizer_content("tokenizer");
    t5_tokenizer_ = tokenizer_content("tokenizer_2");
    examine(clip_);
    examine(t5_);
  }
  std::erase_if(job.to_encode, [&](std::size_t conditioning) {
    const auto key = embeds_key_of(job, conditioning);
    return key && directory_.has(*key);
  });
}

void PromptCache::skip_kept_modulations(Job& job) {
  if (!serves(job)) return;
  examine(modulation_);
  std::erase_if(job.to_modulate, [&](std::size_t conditioning) {
    const auto key = modulation_key_of(job, conditioning);
    return key && directory_.has(*key);
  });
  std::erase_if(job.to_encode, [&](std::size_t conditioning) { return !contains(job.to_modulate, conditioning); });
}

bool PromptCache::load(Job& job, Carried& carried, std::vector<std::string>& warnings) {
  bool complete = true;
  for (std::size_t c = 0; c < job.conditionings.size(); ++c) {
    if (!contains(job.to_modulate, c)) {
      allocate_modulated(model_, job, carried);
      if (read_entry(modulation_key_of(job, c), c, modulation_tensors(model_, job, carried, c))) continue;
      put_back(job.to_modulate, c);
      complete = false;
    } else if (!job.from_embeds && !contains(job.to_encode, c)) {
      allocate_embeds(model_, job, carried);
      if (read_entry(embeds_key_of(job, c), c, embeds_tensors(model_, job, carried, c))) continue;
      put_back(job.to_encode, c);
      complete = false;
    }
  }
  if (!complete) return false;
  for (const auto& cut : cut_) warnings.insert(warnings.end(), cut.begin(), cut.end());
  return true;
}

void PromptCache::keep_embeds(const Job& job, const Carried& carried, const TokenizedPrompts& tokenized) {
  if (!serves(job)) return;
  for (std::size_t i = 0; i < job.to_encode.size(); ++i) {
    const std::size_t c = job.to_encode[i];
    cut_[c] = tokenized.warnings[i];
    store_entry(embeds_key_of(job, c), c, embeds_tensors(model_, job, carried, c));
  }
}

void PromptCache::keep_modulations(const Job& job, const Carried& carried) {
  if (!serves(job)) return;
  for (const std::size_t c : job.to_modulate) {
    store_entry(modulation_key_of(job, c), c, modulation_tensors(model_, job, carried, c));
  }
}

bool PromptCache::wants_content(const WeightPart& weights) const {
  if (!directory_.enabled()) return false;
  for (const PartContent* part : {&clip_, &t5_, &modulation_}) {
    if (&part->weights == &weights) return !part->content;
  }
  return false;
}

void PromptCache::learn_content(const WeightPart& weights, const Digest& digest) {
  for (PartContent* part : {&clip_, &t5_, &modulation_}) {
    if (&part->weights != &weights) continue;
    part->state = weights.opened;
    part->content = with_config(model_.dir, part->component, digest);
    if (!part->content) continue;
    remember_content(directory_, part->component, model_.dir.component_places(part->component), part->state,
                     *part->content);
  }
}

// Once a file is open it is what will be read, whatever its name leads to by now.
void PromptCache::examine(PartContent& part) {
  const bool opened = part.weights.index != nullptr;
  const FilesState now = opened ? part.weights.opened : examine_files(model_.dir.component_places(part.component));
  if (part.content && now == part.state) return;
  part.state = now;
  part.content = recall_content(directory_, part.component, part.state);
}

// Nothing where they cannot be read: whoever needs the tokenizer will say why.
std::optional<Digest> PromptCache::tokenizer_content(const char* component) {
  const auto found = model_.dir.components.find(component);
  if (found == model_.dir.components.end()) return std::nullopt;
  try {
    Hasher hasher;
    hasher.add(found->second.class_name);
    hasher.add(content_of_small_files(directory_, model_.dir.component_dir(component), kMaxTokenizerBytes));
    return hasher.digest();
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<Digest> PromptCache::embeds_key_of(const Job& job, std::size_t conditioning) const {
  if (job.from_embeds) return given_embeds_.at(conditioning);
  if (!clip_tokenizer_ || !t5_tokenizer_ || !clip_.content || !t5_.content) return std::nullopt;
  const EncoderContent content = {*clip_tokenizer_, *t5_tokenizer_, *clip_.content, *t5_.content, {}};
  return embeds_key({device_, job.activations}, content, job.conditionings[conditioning], job.max_sequence_length);
}

std::optional<Digest> PromptCache::modulation_key_of(const Job& job, std::size_t conditioning) const {
  const auto embeds = embeds_key_of(job, conditioning);
  if (!embeds || !modulation_.content) return std::nullopt;
  return modulation_key({device_, job.activations}, {*embeds, *modulation_.content, {}}, job);
}

bool PromptCache::read_entry(const std::optional<Digest>& key, std::size_t conditioning,
                             std::span<const TensorTarget> tensors) {
  const auto notes = key ? directory_.read(*key, tensors) : std::nullopt;
  if (!notes) return false;
  cut_[conditioning].clear();
  for (const auto& [name, warning] : *notes) cut_[conditioning].push_back(warning);
  return true;
}

void PromptCache::store_entry(const std::optional<Digest>& key, std::size_t conditioning,
                              std::span<const TensorTarget> tensors) {
  if (!key) return;
  std::vector<TensorBytes> bytes;
  for (const TensorTarget& tensor : tensors) bytes.push_back({tensor.spec, tensor.bytes});
  directory_.store(*key, bytes, warning_notes(cut_[conditioning]));
}

}  // namespace steadyflux
