// T5's tokenizer: a prompt to the token ids that the T5 encoder takes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/frame.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_ids.h"
#include "text/token_texts.h"
#include "text/unigram.h"

namespace steadyflux::text {

// Which parts of a tokenizer.json count. The reference decides by the class that model_index.json names.
enum class T5Rules {
  // T5Tokenizer, T5TokenizerFast. The class takes the vocabulary, the first Precompiled normalizer and (where the
  // companions
  // list none) the added tokens from the file and builds the rest itself: unknown piece 2, cut at white space, "▁"
  // before
  // every word, </s> after the prompt, and <extra_id_0> … <extra_id_99>. Other normalizers in the file have no effect.
  kOfClass,
  // PreTrainedTokenizerFast, TokenizersBackend: everything is as the file says.
  kOfFile,
};

// Throws Error(kUnsupported) for the name of any other class.
T5Rules t5_rules_of(std::string_view class_name);

struct T5Parts;

// Gives the ids of transformers 5.23 for tokenizer(prompt, padding="max_length", max_length=…, truncation=True).
//
// Holds a few MiB and borrows nothing. Immutable, so it may be shared by threads.
class T5Tokenizer {
 public:
  // From tokenizer.json. Throws Error(kInvalidFile) that names the file, what was expected and what was found;
  // Error(kUnsupported) for a model, step or setting that this build does not have.
  static T5Tokenizer parse_json(const SourceText& tokenizer_json, const CompanionFiles& companions = {},
                                T5Rules rules = T5Rules::kOfClass);

  // From spiece.model, where there is no tokenizer.json. As in the reference's class, only the pieces, their scores and
  // types and the character map count; the model's own flags for spaces do not.
  static T5Tokenizer parse_sentencepiece(const SourceText& model, const CompanionFiles& companions = {});

  // Exactly `max_length` ids, </s> included when the prompt is cut.
  // Throws Error(kInvalidArgument) when `utf8` is not UTF-8 (with the byte offset) or max_length is below 1.
  TokenIds encode(std::string_view utf8, int max_length) const;

  // One more than the largest id that encode() can give: what the model's embedding must have at least.
  int vocab_size() const;

 private:
  explicit T5Tokenizer(T5Parts parts);

  std::string decode(std::span<const std::int32_t> ids) const;

  Unigram model_;
  TokenTexts texts_;
  std::vector<NormalizerStep> normalizer_;
  PreTokenizer pre_tokenizer_;
  AddedTokens added_;
  Frame frame_;
};

}  // namespace steadyflux::text
