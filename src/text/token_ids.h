// What every tokenizer takes and gives.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steadyflux::text {

// The content of a file, borrowed, and the name that errors call it by. An empty text is an absent file.
struct SourceText {
  std::string_view text;
  std::string_view name;
};

// The small files beside a tokenizer, each of them optional. The reference (transformers) takes special tokens from
// them.
struct CompanionFiles {
  SourceText tokenizer_config;    // tokenizer_config.json
  SourceText special_tokens_map;  // special_tokens_map.json; read only when the config lists no added tokens
  SourceText added_tokens;        // added_tokens.json; likewise
};

// A prompt as a text encoder takes it.
struct TokenIds {
  std::vector<std::int32_t> ids;  // padded to the length asked for
  int num_tokens = 0;             // before padding, with the special tokens at both ends
  std::string cut;                // the text that truncation dropped, readable; empty when nothing was
};

}  // namespace steadyflux::text
