#include "pipeline/prompt_tokens.h"

#include <cstdint>
#include <filesystem>
#include <span>

#include "base/error.h"
#include "io/file.h"
#include "platform/process.h"
#include "text/clip_tokenizer.h"
#include "text/t5_tokenizer.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxTokenizerBytes = 64ull << 20;

// A small file beside the model, with the name errors call it by; empty when it is not there.
class TextFile {
 public:
  TextFile(const fs::path& directory, const char* file) : name_((directory / file).string()) {
    std::error_code ignored;
    present_ = fs::exists(name_, ignored);
    if (present_) content_ = read_whole_file(name_, kMaxTokenizerBytes);
  }

  bool present() const { return present_; }
  text::SourceText source() const { return {content_, name_}; }

 private:
  std::string name_;
  std::string content_;
  bool present_ = false;
};

struct Companions {
  explicit Companions(const fs::path& directory)
      : config(directory, "tokenizer_config.json"),
        special_tokens(directory, "special_tokens_map.json"),
        added_tokens(directory, "added_tokens.json") {}

  text::CompanionFiles files() const { return {config.source(), special_tokens.source(), added_tokens.source()}; }

  TextFile config;
  TextFile special_tokens;
  TextFile added_tokens;
};

text::ClipTokenizer load_clip_tokenizer(const OpenModel& model) {
  const fs::path directory = model.dir.component_dir("tokenizer");
  const Companions companions(directory);
  const TextFile json(directory, "tokenizer.json");
  if (json.present()) return text::ClipTokenizer::parse_json(json.source(), companions.files());
  const TextFile vocabulary(directory, "vocab.json");
  const TextFile merges(directory, "merges.txt");
  if (vocabulary.present() && merges.present()) {
    return text::ClipTokenizer::parse(vocabulary.source(), merges.source(), companions.files());
  }
  fail(ErrorCode::kNotFound, directory.string(), " holds neither vocab.json and merges.txt nor tokenizer.json");
}

text::T5Tokenizer load_t5_tokenizer(const OpenModel& model) {
  const fs::path directory = model.dir.component_dir("tokenizer_2");
  const Companions companions(directory);
  const TextFile json(directory, "tokenizer.json");
  if (json.present()) {
    const auto rules = text::t5_rules_of(model.dir.components.find("tokenizer_2")->second.class_name);
    return text::T5Tokenizer::parse_json(json.source(), companions.files(), rules);
  }
  const TextFile sentencepiece(directory, "spiece.model");
  if (sentencepiece.present()) {
    return text::T5Tokenizer::parse_sentencepiece(sentencepiece.source(), companions.files());
  }
  fail(ErrorCode::kNotFound, directory.string(), " holds neither tokenizer.json nor spiece.model");
}

void check_ids(const fs::path& tokenizer, std::span<const std::int32_t> ids, std::int64_t embeddings) {
  for (const std::int32_t id : ids) {
    if (id >= 0 && id < embeddings) continue;
    fail(ErrorCode::kInvalidFile, tokenizer.string(), " gives the token id ", id, ", but its encoder has ", embeddings,
         " embeddings; tokenizer and encoder do not belong together");
  }
}

void warn_if_cut(const char* encoder, const text::TokenIds& tokens, std::vector<std::string>& warnings) {
  if (tokens.cut.empty()) return;
  warnings.push_back(std::string(encoder) + " reads " + std::to_string(tokens.ids.size()) +
                     " tokens of the prompt; cut: \"" + tokens.cut + "\"");
}

// Reading tokenizer files takes ten times what the tokenizers keep, none of which a plan knows.
class HeapTrim {
 public:
  ~HeapTrim() { release_free_heap(); }
};

}  // namespace

TokenizedPrompts tokenize_prompts(const OpenModel& model, const Job& job) {
  TokenizedPrompts result;
  if (job.to_encode.empty()) return result;
  const HeapTrim trim_at_the_end;
  result.tokens.resize(job.to_encode.size());
  result.warnings.resize(job.to_encode.size());
  {
    const text::ClipTokenizer clip = load_clip_tokenizer(model);
    for (std::size_t i = 0; i < job.to_encode.size(); ++i) {
      const std::string& prompt = job.conditionings[job.to_encode[i]].clip;
      const text::TokenIds tokens = clip.encode(prompt, static_cast<int>(model.clip->max_positions));
      check_ids(model.dir.component_dir("tokenizer"), tokens.ids, model.clip->vocab_size);
      warn_if_cut("CLIP", tokens, result.warnings[i]);
      const std::size_t used = clip_pooled_position(*model.clip, tokens.ids) + 1;
      result.tokens[i].clip.assign(tokens.ids.begin(), tokens.ids.begin() + static_cast<std::ptrdiff_t>(used));
    }
  }
  const text::T5Tokenizer t5 = load_t5_tokenizer(model);
  for (std::size_t i = 0; i < job.to_encode.size(); ++i) {
    const text::TokenIds tokens = t5.encode(job.conditionings[job.to_encode[i]].t5, job.max_sequence_length);
    check_ids(model.dir.component_dir("tokenizer_2"), tokens.ids, model.t5->vocab_size);
    warn_if_cut("T5", tokens, result.warnings[i]);
    result.tokens[i].t5 = tokens.ids;
  }
  return result;
}

}  // namespace steadyflux
