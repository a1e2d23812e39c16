#include "text/utf8.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"

namespace steadyflux::text {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

std::uint8_t byte_at(std::string_view text, std::size_t position) { return static_cast<std::uint8_t>(text[position]); }

bool is_continuation(std::uint8_t byte) { return (byte & 0xC0) == 0x80; }

std::size_t length_of(std::uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

// The length of the well-formed character at `position`, 0 when there is none.
std::size_t valid_length(std::string_view text, std::size_t position) {
  const std::size_t length = length_of(byte_at(text, position));
  if (length == 0 || length > text.size() - position) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(byte_at(text, position + i))) return 0;
  }
  const char32_t code_point = decode_char(text, position).code_point;
  if (length == 3 && (code_point < 0x800 || (code_point >= 0xD800 && code_point < 0xE000))) return 0;
  if (length == 4 && (code_point < 0x10000 || code_point > 0x10FFFF)) return 0;
  return length;
}

}  // namespace

DecodedChar decode_char(std::string_view text, std::size_t position) {
  const std::uint8_t lead = byte_at(text, position);
  const auto tail = [&](std::size_t i) { return static_cast<char32_t>(byte_at(text, position + i) & 0x3F); };
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {static_cast<char32_t>(lead & 0x1F) << 6 | tail(1), 2};
  if (lead < 0xF0) return {static_cast<char32_t>(lead & 0x0F) << 12 | tail(1) << 6 | tail(2), 3};
  return {static_cast<char32_t>(lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

bool is_char_boundary(std::string_view text, std::size_t position) {
  return position == text.size() || (position < text.size() && !is_continuation(byte_at(text, position)));
}

void append_char(std::string& text, char32_t code_point) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(static_cast<std::uint8_t>(byte))); };
  if (code_point < 0x80) {
    put(code_point);
    return;
  }
  if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
  } else {
    if (code_point < 0x10000) {
      put(0xE0 | code_point >> 12);
    } else {
      put(0xF0 | code_point >> 18);
      put(0x80 | (code_point >> 12 & 0x3F));
    }
    put(0x80 | (code_point >> 6 & 0x3F));
  }
  put(0x80 | (code_point & 0x3F));
}

std::string to_utf8(char32_t code_point) {
  std::string text;
  append_char(text, code_point);
  return text;
}

std::size_t count_chars(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return !is_continuation(static_cast<std::uint8_t>(c)); }));
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<std::uint8_t>(c) < 0x80; });
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = valid_length(text, i);
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

void require_utf8_prompt(std::string_view prompt) {
  if (const auto offset = find_invalid_utf8(prompt)) {
    fail(ErrorCode::kInvalidArgument, "the prompt is not valid UTF-8 at byte ", *offset,
         "; expected text encoded as UTF-8, so convert it first");
  }
}

std::string make_readable(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t length = valid_length(bytes, i);
    if (length == 0) {
      append_char(text, kReplacement);
      ++i;
    } else {
      text.append(bytes.substr(i, length));
      i += length;
    }
  }
  return text;
}

}  // namespace steadyflux::text
