// CLIP's tokenizer: a prompt to the token ids that CLIP's text model takes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/byte_pairs.h"
#include "text/frame.h"
#include "text/normalizer.h"
#include "text/token_ids.h"

namespace steadyflux::text {

// Gives the ids of transformers 5.23's CLIPTokenizer(prompt, padding="max_length", max_length=…, truncation=True):
// special tokens taken out as written, NFC, runs of white space to one space, lower case, CLIP's cut into words,
// byte-level pairs, <|startoftext|> before and <|endoftext|> after, padding with pad_token.
//
// Holds a few MiB and borrows nothing. Immutable, so it may be shared by threads.
class ClipTokenizer {
 public:
  // From vocab.json and merges.txt. Throws Error(kInvalidFile) that names the file, what was expected and what was
  // found; Error(kUnsupported) for settings that this build does not have.
  static ClipTokenizer parse(const SourceText& vocab_json, const SourceText& merges_txt,
                             const CompanionFiles& companions = {});

  // From a tokenizer.json, which transformers 5 writes instead. As in the reference, only the vocabulary and the merges
  // of its BPE model count, and its added tokens where the companions list none; the rest is CLIP's own.
  static ClipTokenizer parse_json(const SourceText& tokenizer_json, const CompanionFiles& companions = {});

  // Exactly `max_length` ids, the first and the last token of the prompt included when it is cut.
  // Throws Error(kInvalidArgument) when `utf8` is not UTF-8 (with the byte offset) or max_length is below 2.
  TokenIds encode(std::string_view utf8, int max_length) const;

  // One more than the largest id that encode() can give: what the model's embedding must have at least.
  int vocab_size() const;

 private:
  struct Vocabulary;

  // `file` names the merges in errors.
  ClipTokenizer(const Vocabulary& vocabulary, std::string_view file);

  std::string decode(std::span<const std::int32_t> ids) const;

  BytePairs model_;
  std::vector<NormalizerStep> normalizer_;
  AddedTokens added_;
  Frame frame_;
};

}  // namespace steadyflux::text
