#include "text/byte_pairs.h"

#include <algorithm>
#include <queue>
#include <unordered_map>

#include "base/error.h"
#include "text/prefix_trie.h"
#include "text/utf8.h"

namespace steadyflux::text {
namespace {

constexpr std::string_view kEndOfWord = "</w>";
constexpr std::int32_t kNone = PrefixTrie::kNone;

using Ids = std::unordered_map<std::string_view, std::int32_t>;

// The characters that GPT-2 writes bytes as.
std::array<char32_t, 256> make_byte_chars() {
  std::array<char32_t, 256> chars{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool is_printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    chars[byte] = is_printable ? byte : next++;
  }
  return chars;
}

std::int32_t find_id(const Ids& ids, std::string_view token) {
  const auto found = ids.find(token);
  return found == ids.end() ? kNone : found->second;
}

std::uint64_t make_pair_key(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

TokenTexts make_texts(const std::vector<BytePairs::Token>& vocabulary) {
  std::vector<TokenTexts::Entry> entries;
  entries.reserve(vocabulary.size());
  for (const auto& token : vocabulary) entries.push_back({token.id, token.text});
  return TokenTexts(std::move(entries));
}

}  // namespace

// A merge waiting its turn: lowest rank first, then leftmost.
struct BytePairs::Candidate {
  std::uint32_t rank;
  std::int32_t position;
  std::int32_t merged_id;

  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

BytePairs::BytePairs(const std::vector<Token>& vocabulary, const std::vector<Merge>& merges, std::string_view unk_token,
                     std::string_view file)
    : num_tokens_(static_cast<std::int32_t>(vocabulary.size())), texts_(make_texts(vocabulary)) {
  Ids ids;
  ids.reserve(vocabulary.size());
  for (const Token& token : vocabulary) {
    ids[token.text] = token.id;
    end_id_ = std::max(end_id_, token.id + 1);
  }
  unk_id_ = find_id(ids, unk_token);
  const auto byte_chars = make_byte_chars();
  for (std::size_t byte = 0; byte < byte_chars.size(); ++byte) {
    const std::string symbol = to_utf8(byte_chars[byte]);
    byte_ids_[0][byte] = find_id(ids, symbol);
    byte_ids_[1][byte] = find_id(ids, symbol + std::string(kEndOfWord));
  }

  const auto require = [&](std::string_view token, std::size_t rank) {
    const std::int32_t id = find_id(ids, token);
    if (id == kNone) {
      fail(ErrorCode::kInvalidFile, file, ": merge ", rank + 1, " needs the token \"", make_readable(token),
           "\", which is not in the vocabulary; expected both files to come from the same tokenizer");
    }
    return id;
  };
  rules_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto [left, right] = merges[rank];
    const std::uint64_t pair = make_pair_key(require(left, rank), require(right, rank));
    const std::int32_t merged_id = require(std::string(left) + std::string(right), rank);
    rules_.push_back({pair, static_cast<std::uint32_t>(rank), merged_id});
  }
  // Of merges of the same pair the last one counts.
  std::ranges::stable_sort(rules_, {}, &MergeRule::pair);
  const auto last_ones =
      std::unique(rules_.rbegin(), rules_.rend(), [](const auto& a, const auto& b) { return a.pair == b.pair; });
  rules_.erase(rules_.begin(), last_ones.base());
}

const BytePairs::MergeRule* BytePairs::find_rule(std::int32_t left, std::int32_t right) const {
  const std::uint64_t pair = make_pair_key(left, right);
  const auto found = std::ranges::lower_bound(rules_, pair, {}, &MergeRule::pair);
  return found != rules_.end() && found->pair == pair ? &*found : nullptr;
}

std::vector<BytePairs::Symbol> BytePairs::symbols_of(std::string_view word) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  const auto length = static_cast<std::int32_t>(word.size());
  for (std::int32_t i = 0; i < length; ++i) {
    const bool is_last = i + 1 == length;
    std::int32_t id = byte_ids_[is_last ? 1 : 0][static_cast<std::uint8_t>(word[static_cast<std::size_t>(i)])];
    if (id == kNone) id = unk_id_;
    if (id == kNone) {
      fail(ErrorCode::kInvalidFile, "the tokenizer's vocabulary has no token for the byte ",
           int{static_cast<std::uint8_t>(word[static_cast<std::size_t>(i)])}, " and no unknown token");
    }
    symbols.push_back({id, i - 1, is_last ? -1 : i + 1});
  }
  return symbols;
}

void BytePairs::merge_all(std::vector<Symbol>& symbols) const {
  const auto at = [&](std::int32_t position) -> Symbol& { return symbols[static_cast<std::size_t>(position)]; };
  std::priority_queue<Candidate> queue;
  const auto consider = [&](std::int32_t position) {
    if (position < 0 || at(position).next < 0) return;
    const MergeRule* rule = find_rule(at(position).id, at(at(position).next).id);
    if (rule != nullptr) queue.push({rule->rank, position, rule->merged_id});
  };
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(symbols.size()); ++i) consider(i);

  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = at(top.position);
    if (left.merged_away || left.next < 0) continue;
    // An earlier merge may have changed either side since this one was put in.
    const MergeRule* rule = find_rule(left.id, at(left.next).id);
    if (rule == nullptr || rule->merged_id != top.merged_id) continue;
    Symbol& right = at(left.next);
    right.merged_away = true;
    left.id = top.merged_id;
    left.next = right.next;
    if (left.next >= 0) at(left.next).previous = top.position;
    consider(left.previous);
    consider(top.position);
  }
}

void BytePairs::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  std::vector<Symbol> symbols = symbols_of(word);
  merge_all(symbols);
  for (const Symbol& symbol : symbols) {
    if (!symbol.merged_away) ids.push_back(symbol.id);
  }
}

std::string BytePairs::decode(std::int32_t id) const {
  const std::string_view token = texts_.text(id);
  const bool ends_word = token.ends_with(kEndOfWord);
  const std::string_view symbols = ends_word ? token.substr(0, token.size() - kEndOfWord.size()) : token;
  const auto byte_chars = make_byte_chars();
  std::string bytes;
  for (std::size_t i = 0; i < symbols.size();) {
    const DecodedChar c = decode_char(symbols, i);
    i += c.num_bytes;
    const auto byte = std::ranges::find(byte_chars, c.code_point);
    if (byte == byte_chars.end()) return std::string(token);
    bytes.push_back(static_cast<char>(byte - byte_chars.begin()));
  }
  if (ends_word) bytes.push_back(' ');
  return bytes;
}

std::int32_t BytePairs::find(std::string_view token) const { return texts_.find(token); }

}  // namespace steadyflux::text
