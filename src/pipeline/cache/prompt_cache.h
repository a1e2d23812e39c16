// What earlier runs computed for a prompt: its embeddings, and the modulation of a schedule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/cache/cache_directory.h"
#include "pipeline/cache/prompt_key.h"
#include "pipeline/carried.h"
#include "pipeline/executing_runner.h"
#include "pipeline/job.h"
#include "pipeline/phases.h"
#include "pipeline/prompt_tokens.h"

namespace steadyflux {

// Serves one request after another. A conditioning taken off Job::to_encode or Job::to_modulate is one that load()
// reads instead; keep() stores what was computed for the others. As ContentListener it learns what weights hold when
// they are read for the first time. A batch so long that it is carried in files would push everything else out: for it
// there is no cache. Borrows the model. Thread rule: one thread.
class PromptCache final : public ContentListener {
 public:
  // An empty `directory` is no cache: nothing is ever found or kept.
  PromptCache(const OpenModel& model, const Backend& backend, const std::filesystem::path& directory,
              std::uint64_t max_bytes)
      : model_(model), directory_(directory, max_bytes), device_(backend.arithmetic()) {}

  // Begins a request: takes conditionings whose embeddings are kept off job.to_encode. `embeds` are those that a file
  // gave, a conditioning each, or none. Opens no file of an encoder.
  void skip_kept_embeds(Job& job, std::span<const PromptEmbeds> embeds);

  // Then takes those whose modulation is kept off job.to_modulate; they need no embeddings either.
  void skip_kept_modulations(Job& job);

  // Reads what was skipped, and what truncation once cut to `warnings`. False when an entry has gone or is damaged: its
  // conditioning is then on the job's lists again.
  bool load(Job& job, Carried& carried, std::vector<std::string>& warnings);

  // Stores what a phase that has just run has left in `carried`.
  void keep_embeds(const Job& job, const Carried& carried, const TokenizedPrompts& tokenized);
  void keep_modulations(const Job& job, const Carried& carried);

  std::vector<std::string> take_warnings() { return directory_.take_warnings(); }

  bool wants_content(const WeightPart& weights) const override;
  void learn_content(const WeightPart& weights, const Digest& digest) override;

 private:
  bool serves(const Job& job) const { return directory_.enabled() && !job.spilled; }

  // Weights and configuration of a part of the model: what they are, and the state of the files that this is true of.
  struct PartContent {
    const char* component;
    const WeightPart& weights;
    FilesState state = {};
    std::optional<Digest> content = {};
  };

  void examine(PartContent& part);
  std::optional<Digest> tokenizer_content(const char* component);
  std::optional<Digest> embeds_key_of(const Job& job, std::size_t conditioning) const;
  std::optional<Digest> modulation_key_of(const Job& job, std::size_t conditioning) const;
  bool read_entry(const std::optional<Digest>& key, std::size_t conditioning, std::span<const TensorTarget> tensors);
  void store_entry(const std::optional<Digest>& key, std::size_t conditioning, std::span<const TensorTarget> tensors);

  const OpenModel& model_;
  CacheDirectory directory_;
  std::string device_;
  PartContent clip_{"text_encoder", model_.clip_part};
  PartContent t5_{"text_encoder_2", model_.t5_part};
  PartContent modulation_{"transformer", model_.modulate_part};
  std::optional<Digest> clip_tokenizer_;
  std::optional<Digest> t5_tokenizer_;
  std::vector<Digest> given_embeds_;           // keys of embeddings from a file, a conditioning each
  std::vector<std::vector<std::string>> cut_;  // what truncation cut of each conditioning
};

}  // namespace steadyflux
