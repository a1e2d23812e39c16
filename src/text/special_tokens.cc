#include "text/special_tokens.h"

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/error.h"
#include "text/json_text.h"

namespace steadyflux::text {
namespace {

using nlohmann::json;

constexpr std::array kRoles = {"bos_token", "eos_token", "unk_token", "sep_token",
                               "pad_token", "cls_token", "mask_token"};

// A special token that a file names by its content only.
AddedToken plain_token(std::string content) { return {.content = std::move(content)}; }

// A token in full. `normalized_default`: the flag's value where the file does not give it.
AddedToken parse_token(const json& token, bool normalized_default, std::string_view file) {
  AddedToken result{.content = require_string(token, "content", file)};
  result.single_word = optional_bool(token, "single_word", false, file);
  result.lstrip = optional_bool(token, "lstrip", false, file);
  result.rstrip = optional_bool(token, "rstrip", false, file);
  result.normalized = optional_bool(token, "normalized", normalized_default, file);
  return result;
}

AddedToken parse_token_or_content(const json& token, bool normalized_default, std::string_view file) {
  return token.is_string() ? plain_token(token.get<std::string>()) : parse_token(token, normalized_default, file);
}

// Everything of the files, gathered step by step.
struct Gathered {
  std::map<std::int32_t, AddedToken> by_id;
  std::map<std::string, AddedToken> roles;
  std::optional<std::vector<AddedToken>> extras;
};

void read_roles(Gathered& gathered, const json& object, bool normalized_default, std::string_view file) {
  for (const char* role : kRoles) {
    if (const json* token = find_member(object, role)) {
      gathered.roles[role] = parse_token_or_content(*token, normalized_default, file);
    }
  }
}

void read_extras(Gathered& gathered, const json& object, std::string_view file) {
  for (const char* key : {"extra_special_tokens", "additional_special_tokens"}) {
    const json* extras = find_member(object, key);
    if (extras == nullptr || extras->empty()) continue;
    if (!extras->is_array()) {
      fail(ErrorCode::kUnsupported, file, ": \"", key, "\" is ", extras->type_name(), "; expected a list of tokens");
    }
    gathered.extras.emplace();
    for (const json& token : *extras) gathered.extras->push_back(parse_token_or_content(token, true, file));
    return;
  }
}

void read_added_tokens_decoder(Gathered& gathered, const json& decoder, std::string_view file) {
  for (const auto& [key, token] : decoder.items()) {
    const json id = json::parse(key, nullptr, false);
    gathered.by_id[require_id(id, "a key of \"added_tokens_decoder\"", file)] = parse_token(token, true, file);
  }
}

void read_legacy_files(Gathered& gathered, const CompanionFiles& files, const json& tokenizer_json,
                       std::string_view tokenizer_json_name) {
  const json map = parse_optional_json_object(files.special_tokens_map);
  read_roles(gathered, map, false, files.special_tokens_map.name);
  read_extras(gathered, map, files.special_tokens_map.name);

  std::set<std::string> special;
  for (const auto& [role, token] : gathered.roles) special.insert(token.content);
  for (const AddedToken& token : gathered.extras.value_or(std::vector<AddedToken>{})) special.insert(token.content);
  const json added = parse_optional_json_object(files.added_tokens);
  for (const auto& [content, id] : added.items()) {
    AddedToken token = plain_token(content);
    token.normalized = !special.contains(content);
    gathered.by_id[require_id(id, "the id of \"" + content + "\"", files.added_tokens.name)] = token;
  }
  if (const json* listed = find_member(tokenizer_json, "added_tokens")) {
    for (const json& token : *listed) {
      const json& id = require_member(token, "id", tokenizer_json_name);
      gathered.by_id[require_id(id, "an added token's id", tokenizer_json_name)] =
          parse_token(token, true, tokenizer_json_name);
    }
  }
}

void refuse_unsupported(const json& config, std::string_view file) {
  for (const char* side : {"padding_side", "truncation_side"}) {
    if (optional_string(config, side, file).value_or("right") != "right") {
      fail(ErrorCode::kUnsupported, file, ": \"", side, "\" is not \"right\", the only side that is supported");
    }
  }
  if (optional_bool(config, "split_special_tokens", false, file)) {
    fail(ErrorCode::kUnsupported, file, ": \"split_special_tokens\" is true; expected false");
  }
}

}  // namespace

std::string_view SpecialTokens::role(const std::string& name) const {
  const auto found = roles.find(name);
  return found == roles.end() ? std::string_view() : std::string_view(found->second);
}

SpecialTokens read_special_tokens(const CompanionFiles& files, const json& tokenizer_json,
                                  std::string_view tokenizer_json_name,
                                  const std::map<std::string, std::string>& default_roles,
                                  const std::vector<std::string>& default_extras) {
  const json config = parse_optional_json_object(files.tokenizer_config);
  refuse_unsupported(config, files.tokenizer_config.name);
  Gathered gathered;
  for (const auto& [role, content] : default_roles) gathered.roles[role] = plain_token(content);
  read_roles(gathered, config, true, files.tokenizer_config.name);
  read_extras(gathered, config, files.tokenizer_config.name);
  if (const json* decoder = find_member(config, "added_tokens_decoder")) {
    read_added_tokens_decoder(gathered, *decoder, files.tokenizer_config.name);
  } else {
    read_legacy_files(gathered, files, tokenizer_json, tokenizer_json_name);
  }

  SpecialTokens result;
  std::set<std::string> present;
  const auto add = [&](const AddedToken& token) {
    if (present.insert(token.content).second) result.tokens.push_back(token);
  };
  for (const auto& [id, token] : gathered.by_id) add(token);
  for (const char* role : kRoles) {
    const auto token = gathered.roles.find(role);
    if (token == gathered.roles.end()) continue;
    add(token->second);
    result.roles[role] = token->second.content;
  }
  if (gathered.extras) {
    for (const AddedToken& token : *gathered.extras) add(token);
  } else {
    for (const std::string& content : default_extras) add(plain_token(content));
  }
  return result;
}

std::vector<AddedToken> read_added_tokens(const json& tokenizer_json, std::string_view file) {
  std::vector<AddedToken> tokens;
  if (const json* listed = find_member(tokenizer_json, "added_tokens")) {
    for (const json& token : *listed) tokens.push_back(parse_token(token, true, file));
  }
  return tokens;
}

}  // namespace steadyflux::text
