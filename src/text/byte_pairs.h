// Byte-pair encoding over bytes, with an end-of-word mark: CLIP's model.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/token_texts.h"

namespace steadyflux::text {

// Sennrich et al. 2016; each byte of a word is one symbol, written as GPT-2 does (printable bytes as themselves, the
// others as U+0100 and up), the last one with "</w>" behind it; pairs merge in the order of the merge list.
//
// Immutable, so it may be shared by threads.
class BytePairs {
 public:
  struct Token {
    std::string_view text;  // borrowed during construction only
    std::int32_t id;
  };
  using Merge = std::pair<std::string_view, std::string_view>;

  // `file` names the vocabulary or merge list in errors. A byte without a token becomes `unk_token`.
  // Throws Error(kInvalidFile) when a merge names or makes a token that the vocabulary lacks.
  BytePairs(const std::vector<Token>& vocabulary, const std::vector<Merge>& merges, std::string_view unk_token,
            std::string_view file);

  // Appends the ids of one word. Throws Error(kInvalidFile) when a byte has no token and there is no unknown token.
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

  // The bytes of a token with a space for its end-of-word mark; empty for an id that is not in the vocabulary.
  std::string decode(std::int32_t id) const;

  // The id of a token, or PrefixTrie::kNone. Slow: for the few special tokens, while loading.
  std::int32_t find(std::string_view token) const;

  std::int32_t num_tokens() const { return num_tokens_; }
  std::int32_t end_id() const { return end_id_; }  // one more than the largest id

 private:
  struct MergeRule {
    std::uint64_t pair;  // the two ids, the left one in the high half
    std::uint32_t rank;
    std::int32_t merged_id;
  };
  struct Symbol {
    std::int32_t id;
    std::int32_t previous;  // -1 at the front
    std::int32_t next;      // -1 at the back
    bool merged_away = false;
  };
  struct Candidate;

  const MergeRule* find_rule(std::int32_t left, std::int32_t right) const;
  std::vector<Symbol> symbols_of(std::string_view word) const;
  void merge_all(std::vector<Symbol>& symbols) const;

  std::array<std::array<std::int32_t, 256>, 2> byte_ids_{};  // [is the last of its word][byte]
  std::vector<MergeRule> rules_;                             // by pair
  std::int32_t unk_id_;
  std::int32_t num_tokens_;
  std::int32_t end_id_ = 0;
  TokenTexts texts_;
};

}  // namespace steadyflux::text
