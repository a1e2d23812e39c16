#include "text/clip_tokenizer.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/json_text.h"
#include "text/pre_tokenizer.h"
#include "text/special_tokens.h"
#include "text/utf8.h"

namespace steadyflux::text {
namespace {

using nlohmann::json;

// The defaults of the reference's class.
std::map<std::string, std::string> default_roles() {
  return {{"bos_token", "<|startoftext|>"},
          {"eos_token", "<|endoftext|>"},
          {"unk_token", "<|endoftext|>"},
          {"pad_token", "<|endoftext|>"}};
}

BytePairs::Merge split_merge(std::string_view line, std::size_t line_number, std::string_view file) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
    fail(ErrorCode::kInvalidFile, file, ": merge ", line_number, " is \"", make_readable(line),
         "\"; expected two tokens with a space between");
  }
  return {line.substr(0, space), line.substr(space + 1)};
}

std::vector<BytePairs::Merge> parse_merges(const SourceText& source) {
  std::vector<BytePairs::Merge> merges;
  std::string_view rest = source.text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with("#version")) merges.push_back(split_merge(line, number, source.name));
  }
  return merges;
}

std::string_view borrow_string(const json& value, std::string_view file) {
  if (!value.is_string())
    fail(ErrorCode::kInvalidFile, file, ": a merge has ", value.type_name(), "; expected a string");
  return value.get_ref<const std::string&>();
}

// Merges as a tokenizer.json has them: "a b", or ["a", "b"].
std::vector<BytePairs::Merge> parse_json_merges(const json& list, std::string_view file) {
  std::vector<BytePairs::Merge> merges;
  for (const json& merge : list) {
    if (merge.is_array() && merge.size() == 2) {
      merges.emplace_back(borrow_string(merge[0], file), borrow_string(merge[1], file));
    } else {
      merges.push_back(split_merge(borrow_string(merge, file), merges.size() + 1, file));
    }
  }
  return merges;
}

std::vector<BytePairs::Token> parse_vocabulary(const json& object, std::string_view file) {
  if (!object.is_object()) {
    fail(ErrorCode::kInvalidFile, file, ": the vocabulary is ", object.type_name(), "; expected an object of ids");
  }
  std::vector<BytePairs::Token> vocabulary;
  vocabulary.reserve(object.size());
  for (const auto& [text, id] : object.items())
    vocabulary.push_back({text, require_id(id, "the id of \"" + text + "\"", file)});
  if (vocabulary.empty()) fail(ErrorCode::kInvalidFile, file, ": the vocabulary is empty");
  return vocabulary;
}

}  // namespace

// Views into the parsed files, for the time of construction.
struct ClipTokenizer::Vocabulary {
  std::vector<BytePairs::Token> tokens;
  std::vector<BytePairs::Merge> merges;
  SpecialTokens special;
};

ClipTokenizer ClipTokenizer::parse(const SourceText& vocab_json, const SourceText& merges_txt,
                                   const CompanionFiles& companions) {
  const json object = parse_json_object(vocab_json);
  return ClipTokenizer({parse_vocabulary(object, vocab_json.name), parse_merges(merges_txt),
                        read_special_tokens(companions, nullptr, {}, default_roles(), {})},
                       merges_txt.name);
}

ClipTokenizer ClipTokenizer::parse_json(const SourceText& tokenizer_json, const CompanionFiles& companions) {
  const json object = parse_json_object(tokenizer_json);
  const std::string_view file = tokenizer_json.name;
  const json& model = require_member(object, "model", file);
  if (const std::string type = require_string(model, "type", file); type != "BPE") {
    fail(ErrorCode::kUnsupported, file, ": the model is \"", type, "\"; CLIP's tokenizer expects \"BPE\"");
  }
  return ClipTokenizer({parse_vocabulary(require_member(model, "vocab", file), file),
                        parse_json_merges(require_member(model, "merges", file), file),
                        read_special_tokens(companions, object, file, default_roles(), {})},
                       file);
}

ClipTokenizer::ClipTokenizer(const Vocabulary& vocabulary, std::string_view file)
    : model_(vocabulary.tokens, vocabulary.merges, vocabulary.special.role("unk_token"), file),
      normalizer_(clip_normalizer()),
      added_(
          vocabulary.special.tokens, model_.num_tokens(),
          [&](std::string_view content) { return model_.find(content); },
          [&](std::string_view content) { return normalize(content, normalizer_); }) {
  const auto id_of = [&](const char* role) { return added_.find(vocabulary.special.role(role)); };
  frame_ = {.prefix = {id_of("bos_token")}, .suffix = {id_of("eos_token")}, .pad_id = id_of("pad_token")};
}

TokenIds ClipTokenizer::encode(std::string_view utf8, int max_length) const {
  require_utf8_prompt(utf8);
  std::vector<std::int32_t> ids;
  added_.split(
      utf8, [&](std::string_view text) { return normalize(text, normalizer_); },
      [&](std::int32_t id) { ids.push_back(id); },
      [&](std::string_view text, bool) {
        for (const std::string_view word : split_clip_words(text)) model_.encode(word, ids);
      });
  return put_in_frame(frame_, ids, max_length, [&](std::span<const std::int32_t> cut) { return decode(cut); });
}

std::string ClipTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string bytes;
  for (const std::int32_t id : ids) {
    const std::string_view added = added_.text(id);
    bytes += added.empty() ? model_.decode(id) : std::string(added);
  }
  return trim(make_readable(bytes));
}

int ClipTokenizer::vocab_size() const { return std::max(model_.end_id(), added_.end_id()); }

}  // namespace steadyflux::text
