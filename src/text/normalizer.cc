#include "text/normalizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "text/json_text.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace steadyflux::text {
namespace {

using nlohmann::json;

constexpr int kDeepestSequence = 16;

// A regular expression that the files in use contain: at least `least` white-space characters, or spaces, in a row.
struct RunPattern {
  bool any_space;
  std::size_t least;
};

std::optional<RunPattern> parse_run_pattern(std::string_view regex) {
  RunPattern pattern{};
  if (regex.starts_with("\\s")) {
    pattern.any_space = true;
    regex.remove_prefix(2);
  } else if (regex.starts_with(' ')) {
    regex.remove_prefix(1);
  } else {
    return std::nullopt;
  }
  if (regex == "+") {
    pattern.least = 1;
    return pattern;
  }
  const bool is_least =
      regex.size() == 4 && regex[0] == '{' && regex[1] >= '1' && regex[1] <= '9' && regex.ends_with(",}");
  if (!is_least) return std::nullopt;
  pattern.least = static_cast<std::size_t>(regex[1] - '0');
  return pattern;
}

void replace_runs(Normalized& normalized, RunPattern pattern, std::string_view content) {
  const std::string& text = normalized.text;
  std::string result;
  result.reserve(text.size());
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    std::size_t num_chars = 0;
    while (end < text.size()) {
      const DecodedChar c = decode_char(text, end);
      if (pattern.any_space ? !is_space(c.code_point) : c.code_point != U' ') break;
      end += c.num_bytes;
      ++num_chars;
    }
    if (num_chars >= pattern.least) {
      result += content;
      // The replacement stands where the run ended, which is the origin only for a run of one character.
      if (begin == 0 && (num_chars > 1 || content.empty())) normalized.starts_at_origin = false;
    } else {
      if (end == begin) end += decode_char(text, begin).num_bytes;
      result.append(text, begin, end - begin);
    }
    begin = end;
  }
  normalized.text = std::move(result);
}

void replace_all(Normalized& normalized, std::string_view pattern, std::string_view content) {
  if (pattern.empty()) return;
  const std::string& text = normalized.text;
  std::string result;
  std::size_t done = 0;
  for (std::size_t at = text.find(pattern); at != std::string::npos; at = text.find(pattern, done)) {
    result.append(text, done, at - done);
    result += content;
    done = at + pattern.size();
    if (at == 0 && (count_chars(pattern) > 1 || content.empty())) normalized.starts_at_origin = false;
  }
  result.append(text, done);
  normalized.text = std::move(result);
}

// Keeps the characters for which `keep` holds.
template <typename Keep>
void filter(Normalized& normalized, Keep keep) {
  std::string result;
  for (std::size_t i = 0; i < normalized.text.size();) {
    const DecodedChar c = decode_char(normalized.text, i);
    if (keep(c.code_point)) {
      result.append(normalized.text, i, c.num_bytes);
    } else if (result.empty()) {
      normalized.starts_at_origin = false;
    }
    i += c.num_bytes;
  }
  normalized.text = std::move(result);
}

void strip(Normalized& normalized, bool left, bool right) {
  const std::string_view text = normalized.text;
  std::size_t begin = 0;  // of the first character that is not white space
  std::size_t end = 0;    // of the last one
  bool only_space = true;
  for (std::size_t i = 0; i < text.size();) {
    const DecodedChar c = decode_char(text, i);
    i += c.num_bytes;
    if (is_space(c.code_point)) continue;
    if (only_space) begin = i - c.num_bytes;
    only_space = false;
    end = i;
  }
  if (only_space) begin = text.size();
  const std::size_t from = left ? begin : 0;
  const std::size_t to = right ? std::max(end, from) : text.size();
  if (from > 0) normalized.starts_at_origin = false;
  normalized.text = std::string(text.substr(from, to - from));
}

// sentencepiece's clean-up for machine translation: control characters go, unusual blanks become spaces.
void apply_nmt(Normalized& normalized) {
  const auto is_dropped = [](char32_t c) {
    return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
  };
  const auto is_blank = [](char32_t c) {
    return c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 ||
           c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  };
  filter(normalized, [&](char32_t c) { return !is_dropped(c); });
  std::string result;
  for (std::size_t i = 0; i < normalized.text.size();) {
    const DecodedChar c = decode_char(normalized.text, i);
    append_char(result, is_blank(c.code_point) ? U' ' : c.code_point);
    i += c.num_bytes;
  }
  normalized.text = std::move(result);
}

NormalizerStep form_step(NormalForm form) {
  return [normalizer = FormNormalizer(form)](Normalized& n) { n.text = normalizer.apply(n.text); };
}

void lower_step(Normalized& n) { n.text = to_lower(n.text); }

NormalizerStep parse_replace(const json& step, std::string_view file) {
  const json& pattern = require_member(step, "pattern", file);
  const std::string content = require_string(step, "content", file);
  if (const auto text = optional_string(pattern, "String", file)) {
    return [text = *text, content](Normalized& n) { replace_all(n, text, content); };
  }
  const std::string regex = require_string(pattern, "Regex", file);
  const auto run = parse_run_pattern(regex);
  if (!run) {
    fail(ErrorCode::kUnsupported, file, ": a Replace normalizer has the regular expression \"", regex,
         "\"; supported are \" {n,}\", \" +\", \"\\s{n,}\" and \"\\s+\"");
  }
  return [run = *run, content](Normalized& n) { replace_runs(n, run, content); };
}

NormalizerStep parse_precompiled(const json& step, std::string_view file) {
  return charsmap_step(Charsmap::parse(decode_base64(require_string(step, "precompiled_charsmap", file), file), file));
}

NormalizerStep parse_step(const json& step, const std::string& type, std::string_view file) {
  if (type == "NFC") return form_step(NormalForm::kNfc);
  if (type == "NFD") return form_step(NormalForm::kNfd);
  if (type == "NFKC") return form_step(NormalForm::kNfkc);
  if (type == "NFKD") return form_step(NormalForm::kNfkd);
  if (type == "Lowercase") return lower_step;
  if (type == "Nmt") return apply_nmt;
  if (type == "StripAccents") {
    return [](Normalized& n) { filter(n, [](char32_t c) { return !is_combining_mark(c); }); };
  }
  if (type == "Strip") {
    const bool left = optional_bool(step, "strip_left", false, file);
    const bool right = optional_bool(step, "strip_right", false, file);
    return [left, right](Normalized& n) { strip(n, left, right); };
  }
  if (type == "Prepend") {
    return [prefix = require_string(step, "prepend", file)](Normalized& n) {
      if (!n.text.empty()) n.text.insert(0, prefix);
    };
  }
  if (type == "Replace") return parse_replace(step, file);
  if (type == "Precompiled") return parse_precompiled(step, file);
  fail(ErrorCode::kUnsupported, file, ": the normalizer \"", type,
       "\" is not supported; expected NFC, NFD, NFKC, NFKD, Lowercase, Nmt, StripAccents, Strip, Replace, Prepend, "
       "Precompiled or Sequence");
}

void append_steps(std::vector<NormalizerStep>& steps, const json& step, std::string_view file, int depth) {
  const std::string type = require_string(step, "type", file);
  if (type != "Sequence") {
    steps.push_back(parse_step(step, type, file));
    return;
  }
  if (depth == kDeepestSequence) fail(ErrorCode::kUnsupported, file, ": normalizers are nested too deep");
  for (const json& inner : require_member(step, "normalizers", file)) append_steps(steps, inner, file, depth + 1);
}

}  // namespace

std::vector<NormalizerStep> parse_normalizer(const json& normalizer, std::string_view file) {
  std::vector<NormalizerStep> steps;
  if (!normalizer.is_null()) append_steps(steps, normalizer, file, 0);
  return steps;
}

std::string find_charsmap(const json& normalizer, std::string_view file) {
  const json* inner = find_member(normalizer, "normalizers");
  const json alone = json::array({normalizer});
  for (const json& step : inner != nullptr ? *inner : alone) {
    if (optional_string(step, "type", file) == "Precompiled") {
      return decode_base64(require_string(step, "precompiled_charsmap", file), file);
    }
  }
  return {};
}

NormalizerStep charsmap_step(Charsmap map) {
  return [map = std::move(map)](Normalized& n) { n.text = map.apply(n.text); };
}

std::vector<NormalizerStep> clip_normalizer() {
  return {form_step(NormalForm::kNfc), [](Normalized& n) { replace_runs(n, {.any_space = true, .least = 1}, " "); },
          lower_step};
}

Normalized normalize(std::string_view text, const std::vector<NormalizerStep>& steps) {
  Normalized normalized{std::string(text)};
  for (const NormalizerStep& step : steps) step(normalized);
  return normalized;
}

}  // namespace steadyflux::text
