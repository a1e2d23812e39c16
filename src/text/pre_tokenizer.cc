#include "text/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/error.h"
#include "text/json_text.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace steadyflux::text {
namespace {

using nlohmann::json;

constexpr std::string_view kMetaspace = "\u2581";
constexpr int kDeepestSequence = 16;
constexpr std::array<std::string_view, 7> kEndings = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
constexpr std::array<std::string_view, 2> kLiterals = {"startoftext", "endoftext"};

enum class CharKind { kSpace, kLetter, kNumber, kOther };

CharKind kind_of(char32_t c) {
  if (is_space(c)) return CharKind::kSpace;
  if (is_letter(c)) return CharKind::kLetter;
  return is_number(c) ? CharKind::kNumber : CharKind::kOther;
}

std::string_view ending_at(std::string_view text) {
  for (const std::string_view ending : kEndings) {
    if (text.starts_with(ending)) return ending;
  }
  return {};
}

// The name within "<|name|>" that `text` starts with, empty when it starts with neither literal.
std::string_view literal_at(std::string_view text) {
  if (!text.starts_with("<|")) return {};
  for (const std::string_view name : kLiterals) {
    if (text.substr(2).starts_with(name) && text.substr(2 + name.size()).starts_with("|>")) return name;
  }
  return {};
}

// The bytes of the run of characters of one kind that `text` starts with.
std::size_t run_length(std::string_view text, CharKind kind) {
  std::size_t length = 0;
  while (length < text.size()) {
    const DecodedChar c = decode_char(text, length);
    if (kind_of(c.code_point) != kind) break;
    length += c.num_bytes;
  }
  return length;
}

}  // namespace

PreTokenizer PreTokenizer::t5() {
  PreTokenizer result;
  result.steps_ = {Step{}, Step{.is_metaspace = true, .replacement = std::string(kMetaspace)}};
  return result;
}

PreTokenizer PreTokenizer::parse(const json& pre_tokenizer, std::string_view file) {
  PreTokenizer result;
  if (!pre_tokenizer.is_null()) result.append_steps(pre_tokenizer, file, 0);
  return result;
}

PreTokenizer::Step PreTokenizer::parse_metaspace(const json& step, std::string_view file) {
  Step result{.is_metaspace = true, .replacement = require_string(step, "replacement", file)};
  if (count_chars(result.replacement) != 1) {
    fail(ErrorCode::kInvalidFile, file, ": Metaspace's replacement is \"", result.replacement,
         "\"; expected one character");
  }
  const std::string scheme = optional_string(step, "prepend_scheme", file).value_or("always");
  const bool adds_prefix = optional_bool(step, "add_prefix_space", true, file);
  if (!adds_prefix && scheme != "never") {
    fail(ErrorCode::kInvalidFile, file, ": Metaspace has add_prefix_space false but prepend_scheme \"", scheme,
         "\"; expected \"never\"");
  }
  if (scheme == "first") {
    result.prepend = Prepend::kFirst;
  } else if (scheme == "never") {
    result.prepend = Prepend::kNever;
  } else if (scheme != "always") {
    fail(ErrorCode::kUnsupported, file, ": Metaspace's prepend_scheme is \"", scheme,
         "\"; expected always, first or never");
  }
  result.cuts = optional_bool(step, "split", true, file);
  return result;
}

void PreTokenizer::append_steps(const json& step, std::string_view file, int depth) {
  const std::string type = require_string(step, "type", file);
  if (type == "WhitespaceSplit") {
    steps_.emplace_back();
  } else if (type == "Metaspace") {
    steps_.push_back(parse_metaspace(step, file));
  } else if (type == "Sequence") {
    if (depth == kDeepestSequence) fail(ErrorCode::kUnsupported, file, ": pre-tokenizers are nested too deep");
    for (const json& inner : require_member(step, "pretokenizers", file)) append_steps(inner, file, depth + 1);
  } else {
    fail(ErrorCode::kUnsupported, file, ": the pre-tokenizer \"", type,
         "\" is not supported; expected WhitespaceSplit, Metaspace or Sequence");
  }
}

void PreTokenizer::split_whitespace(Piece piece, std::vector<Piece>& pieces) {
  const std::string_view text = piece.text;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size();) {
    const DecodedChar c = i < text.size() ? decode_char(text, i) : DecodedChar{U' ', 1};
    if (is_space(c.code_point)) {
      if (begin < i)
        pieces.push_back({std::string(text.substr(begin, i - begin)), piece.starts_at_origin && begin == 0});
      begin = i + c.num_bytes;
    }
    i += c.num_bytes;
  }
}

void PreTokenizer::split_metaspace(const Step& step, Piece piece, std::vector<Piece>& pieces) {
  std::string text;
  for (const char c : piece.text) {
    if (c == ' ') {
      text += step.replacement;
    } else {
      text += c;
    }
  }
  const bool prepends = step.prepend == Prepend::kAlways || (step.prepend == Prepend::kFirst && piece.starts_at_origin);
  if (prepends && !text.starts_with(step.replacement)) text.insert(0, step.replacement);
  if (!step.cuts) {
    pieces.push_back({std::move(text), piece.starts_at_origin});
    return;
  }
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(step.replacement, begin + 1), text.size());
    pieces.push_back({text.substr(begin, end - begin), piece.starts_at_origin && begin == 0});
    begin = end;
  }
}

std::vector<std::string> PreTokenizer::split(std::string_view text, bool starts_at_origin) const {
  std::vector<Piece> pieces = {{std::string(text), starts_at_origin}};
  for (const Step& step : steps_) {
    std::vector<Piece> parts;
    for (Piece& piece : pieces) {
      if (step.is_metaspace) {
        split_metaspace(step, std::move(piece), parts);
      } else {
        split_whitespace(std::move(piece), parts);
      }
    }
    pieces = std::move(parts);
  }
  std::vector<std::string> texts;
  texts.reserve(pieces.size());
  for (Piece& piece : pieces) texts.push_back(std::move(piece.text));
  return texts;
}

std::vector<std::string_view> split_clip_words(std::string_view text) {
  std::vector<std::string_view> words;
  const auto take = [&](std::size_t num_bytes) {
    words.push_back(text.substr(0, num_bytes));
    text.remove_prefix(num_bytes);
  };
  while (!text.empty()) {
    if (const std::string_view name = literal_at(text); !name.empty()) {
      // The byte-level step after CLIP's own cuts once more, by GPT-2's rules, which part the name from its brackets.
      take(2);
      take(name.size());
      take(2);
      continue;
    }
    if (const std::string_view ending = ending_at(text); !ending.empty()) {
      take(ending.size());
      continue;
    }
    const DecodedChar c = decode_char(text, 0);
    const CharKind kind = kind_of(c.code_point);
    if (kind == CharKind::kSpace) {
      text.remove_prefix(c.num_bytes);
    } else {
      take(kind == CharKind::kNumber ? c.num_bytes : run_length(text, kind));
    }
  }
  return words;
}

}  // namespace steadyflux::text
