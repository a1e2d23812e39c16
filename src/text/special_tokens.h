// Which added tokens a tokenizer has besides its vocabulary, and which of them begin, end and pad a prompt.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/token_ids.h"

namespace steadyflux::text {

// The rules are those of transformers 5.23, which reads, in this order:
//   1. "added_tokens_decoder" of tokenizer_config.json; only where it is absent special_tokens_map.json,
//      added_tokens.json and "added_tokens" of tokenizer.json;
//   2. the tokens with a role (bos_token, eos_token, unk_token, sep_token, pad_token, cls_token, mask_token);
//   3. "extra_special_tokens" of the config (or "additional_special_tokens", or what the tokenizer's class adds).
struct SpecialTokens {
  std::vector<AddedToken> tokens;            // in the order in which new ones are numbered
  std::map<std::string, std::string> roles;  // "eos_token" → its content

  // The content of the token with a role, empty when none has it.
  std::string_view role(const std::string& name) const;
};

// `default_roles` are the class's own; `default_extras` are used when the config lists none; `tokenizer_json` may be
// null. Throws Error(kInvalidFile) for malformed files, Error(kUnsupported) for settings that this build does not have:
// padding or truncation on the left, split_special_tokens.
SpecialTokens read_special_tokens(const CompanionFiles& files, const nlohmann::json& tokenizer_json,
                                  std::string_view tokenizer_json_name,
                                  const std::map<std::string, std::string>& default_roles,
                                  const std::vector<std::string>& default_extras);

// The tokens of a tokenizer.json's "added_tokens", by id.
std::vector<AddedToken> read_added_tokens(const nlohmann::json& tokenizer_json, std::string_view file);

}  // namespace steadyflux::text
