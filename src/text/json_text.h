// JSON files of tokenizers: parsed whole, with errors that name the file and the key.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "text/token_ids.h"

namespace steadyflux::text {

// Throws Error(kInvalidFile) when the source is not JSON or not an object.
nlohmann::json parse_json_object(const SourceText& source);

// Like parse_json_object, but an absent file (an empty text) is an empty object.
nlohmann::json parse_optional_json_object(const SourceText& source);

// A member that must be there. Throws Error(kInvalidFile) that names `file` and the key.
const nlohmann::json& require_member(const nlohmann::json& object, const char* key, std::string_view file);
std::string require_string(const nlohmann::json& object, const char* key, std::string_view file);

// A member that may be absent or null. Throws Error(kInvalidFile) when it has another type.
std::optional<std::string> optional_string(const nlohmann::json& object, const char* key, std::string_view file);
bool optional_bool(const nlohmann::json& object, const char* key, bool absent, std::string_view file);

// The member `key` of an object when it is there and not null, else nothing. Borrowed from `object`.
const nlohmann::json* find_member(const nlohmann::json& object, const char* key);

// `value` as a token id. Throws Error(kInvalidFile) when it is not a whole number from 0 to 2^31 - 2.
std::int32_t require_id(const nlohmann::json& value, std::string_view what, std::string_view file);

// The bytes that standard base64 stands for. Throws Error(kInvalidFile).
std::string decode_base64(std::string_view text, std::string_view file);

}  // namespace steadyflux::text
