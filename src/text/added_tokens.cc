#include "text/added_tokens.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "text/unicode.h"
#include "text/utf8.h"

namespace steadyflux::text {
namespace {

std::size_t last_char_begin(std::string_view text, std::size_t end) {
  do {
    --end;
  } while (!is_char_boundary(text, end));
  return end;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && is_word(decode_char(text, last_char_begin(text, text.size())).code_point);
}

bool starts_with_word(std::string_view text) { return !text.empty() && is_word(decode_char(text, 0).code_point); }

std::size_t skip_spaces_back(std::string_view text, std::size_t end) {
  while (end > 0) {
    const std::size_t begin = last_char_begin(text, end);
    if (!is_space(decode_char(text, begin).code_point)) break;
    end = begin;
  }
  return end;
}

std::size_t skip_spaces(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    const DecodedChar c = decode_char(text, begin);
    if (!is_space(c.code_point)) break;
    begin += c.num_bytes;
  }
  return begin;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, std::int32_t model_size,
                         FunctionRef<std::int32_t(std::string_view)> find_in_model, Normalize normalize) {
  std::int32_t next_id = model_size;
  std::unordered_map<std::string, std::size_t> known;
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    const auto [entry, is_new] = known.emplace(token.content, tokens_.size());
    if (!is_new) {
      tokens_[entry->second].token = std::move(token);
      continue;
    }
    const std::int32_t model_id = find_in_model(token.content);
    tokens_.push_back({std::move(token), model_id != PrefixTrie::kNone ? model_id : next_id++});
  }
  as_written_ = make_trie(false, normalize);
  normalized_ = make_trie(true, normalize);
  std::vector<TokenTexts::Entry> entries;
  for (const Numbered& n : tokens_) entries.push_back({n.id, n.token.content});
  texts_ = TokenTexts(std::move(entries));
}

PrefixTrie AddedTokens::make_trie(bool normalized, Normalize normalize) const {
  std::vector<std::string> keys(tokens_.size());
  std::vector<PrefixTrie::Entry> entries;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i].token;
    if (token.normalized != normalized) continue;
    keys[i] = normalized ? normalize(token.content).text : token.content;
    entries.push_back({keys[i], static_cast<std::int32_t>(i)});
  }
  return PrefixTrie(std::move(entries));
}

std::vector<AddedTokens::Segment> AddedTokens::find_tokens(std::string_view text, const PrefixTrie& trie) const {
  std::vector<Segment> segments;
  std::size_t taken = 0;  // the end of the last token
  for (std::size_t i = 0; i < text.size();) {
    const PrefixTrie::Match match = trie.longest_prefix(text.substr(i));
    if (match.value == PrefixTrie::kNone) {
      ++i;
      continue;
    }
    std::size_t begin = i;
    std::size_t end = i + match.num_bytes;
    i = end;
    const auto& [token, id] = tokens_[static_cast<std::size_t>(match.value)];
    if (token.single_word && (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end)))) continue;
    if (token.lstrip) begin = std::max(skip_spaces_back(text, begin), taken);
    if (token.rstrip) end = skip_spaces(text, end);
    if (taken < begin) segments.push_back({text.substr(taken, begin - taken), PrefixTrie::kNone});
    segments.push_back({text.substr(begin, end - begin), id});
    taken = end;
    i = std::max(i, end);
  }
  if (taken < text.size()) segments.push_back({text.substr(taken), PrefixTrie::kNone});
  return segments;
}

void AddedTokens::split(std::string_view prompt, Normalize normalize, FunctionRef<void(std::int32_t)> on_token,
                        FunctionRef<void(std::string_view, bool)> on_text) const {
  for (const Segment& raw : find_tokens(prompt, as_written_)) {
    if (raw.id != PrefixTrie::kNone) {
      on_token(raw.id);
      continue;
    }
    const Normalized normal = normalize(raw.text);
    const bool from_origin = normal.starts_at_origin && raw.text.data() == prompt.data();
    for (const Segment& segment : find_tokens(normal.text, normalized_)) {
      if (segment.id != PrefixTrie::kNone) {
        on_token(segment.id);
      } else {
        on_text(segment.text, from_origin && segment.text.data() == normal.text.data());
      }
    }
  }
}

std::int32_t AddedTokens::find(std::string_view content) const {
  for (const Numbered& n : tokens_) {
    if (n.token.content == content) return n.id;
  }
  return PrefixTrie::kNone;
}

std::int32_t AddedTokens::end_id() const {
  std::int32_t end = 0;
  for (const Numbered& n : tokens_) end = std::max(end, n.id + 1);
  return end;
}

}  // namespace steadyflux::text
