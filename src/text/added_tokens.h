// Tokens beside the model's vocabulary: special tokens and the like, found in a prompt before anything else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "text/prefix_trie.h"
#include "text/token_texts.h"

namespace steadyflux::text {

struct AddedToken {
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space on its left with it
  bool rstrip = false;       // and on its right
  bool normalized = false;   // looked for in the normalized text rather than in the prompt as written
};

// A text after normalizing.
struct Normalized {
  std::string text;
  bool starts_at_origin = true;  // false when normalizing took characters from the front
};

// Immutable after construction, so it may be shared by threads.
class AddedTokens {
 public:
  using Normalize = FunctionRef<Normalized(std::string_view)>;

  AddedTokens() = default;

  // A token that `find_in_model` knows keeps that id (PrefixTrie::kNone: unknown); the others are numbered from
  // `model_size` on, in order. Of tokens with the same content the last one's flags count.
  AddedTokens(std::vector<AddedToken> tokens, std::int32_t model_size,
              FunctionRef<std::int32_t(std::string_view)> find_in_model, Normalize normalize);

  // Cuts `prompt` at the tokens in it: those not normalized from the prompt, then the others from each normalized rest.
  // Calls on_token(id) and on_text(text, starts_at_origin) in order; the texts are normalized and not empty.
  void split(std::string_view prompt, Normalize normalize, FunctionRef<void(std::int32_t)> on_token,
             FunctionRef<void(std::string_view, bool)> on_text) const;

  // The id of a token by its content, or PrefixTrie::kNone.
  std::int32_t find(std::string_view content) const;

  // The content of an added token, empty when `id` is none.
  std::string_view text(std::int32_t id) const { return texts_.text(id); }

  // One more than the largest id, 0 when there are no tokens.
  std::int32_t end_id() const;

 private:
  struct Numbered {
    AddedToken token;
    std::int32_t id;
  };
  struct Segment {
    std::string_view text;
    std::int32_t id;  // PrefixTrie::kNone: not a token
  };

  std::vector<Segment> find_tokens(std::string_view text, const PrefixTrie& trie) const;
  PrefixTrie make_trie(bool normalized, Normalize normalize) const;

  std::vector<Numbered> tokens_;  // a trie's value is an index into these
  PrefixTrie as_written_;
  PrefixTrie normalized_;
  TokenTexts texts_;
};

}  // namespace steadyflux::text
