#include "text/json_text.h"

#include <limits>

#include "base/error.h"

namespace steadyflux::text {
namespace {

using nlohmann::json;

[[noreturn]] void fail_type(const char* key, std::string_view expected, const json& found, std::string_view file) {
  fail(ErrorCode::kInvalidFile, file, ": \"", key, "\" is ", found.type_name(), "; expected ", expected);
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

json parse_json_object(const SourceText& source) {
  try {
    json object = json::parse(source.text);
    if (!object.is_object()) {
      fail(ErrorCode::kInvalidFile, source.name, ": the file holds ", object.type_name(), "; expected a JSON object");
    }
    return object;
  } catch (const json::exception& error) {
    fail(ErrorCode::kInvalidFile, source.name, ": the file is not valid JSON: ", error.what());
  }
}

json parse_optional_json_object(const SourceText& source) {
  return source.text.empty() ? json::object() : parse_json_object(source);
}

const json* find_member(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const json& require_member(const json& object, const char* key, std::string_view file) {
  const json* member = find_member(object, key);
  if (member == nullptr) fail(ErrorCode::kInvalidFile, file, ": \"", key, "\" is missing");
  return *member;
}

std::string require_string(const json& object, const char* key, std::string_view file) {
  const json& member = require_member(object, key, file);
  if (!member.is_string()) fail_type(key, "a string", member, file);
  return member.get<std::string>();
}

std::optional<std::string> optional_string(const json& object, const char* key, std::string_view file) {
  if (find_member(object, key) == nullptr) return std::nullopt;
  return require_string(object, key, file);
}

bool optional_bool(const json& object, const char* key, bool absent, std::string_view file) {
  const json* member = find_member(object, key);
  if (member == nullptr) return absent;
  if (!member->is_boolean()) fail_type(key, "true or false", *member, file);
  return member->get<bool>();
}

std::int32_t require_id(const json& value, std::string_view what, std::string_view file) {
  constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max()) - 1;
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kLargest) {
    fail(ErrorCode::kInvalidFile, file, ": ", what, " is ", value.is_number() ? value.dump() : value.type_name(),
         "; expected a whole number from 0 to ", kLargest);
  }
  return value.get<std::int32_t>();
}

std::string decode_base64(std::string_view text, std::string_view file) {
  if (text.size() % 4 != 0) {
    fail(ErrorCode::kInvalidFile, file, ": base64 text of ", text.size(), " characters; expected a multiple of 4");
  }
  while (!text.empty() && text.back() == '=' && text.size() % 4 != 2) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int num_bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int digit = base64_digit(text[i]);
    if (digit < 0) fail(ErrorCode::kInvalidFile, file, ": character ", i, " of a base64 text is not base64");
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    num_bits += 6;
    if (num_bits >= 8) {
      num_bits -= 8;
      bytes.push_back(static_cast<char>(static_cast<std::uint8_t>(bits >> num_bits)));
    }
  }
  return bytes;
}

}  // namespace steadyflux::text
