// UTF-8, one character at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace steadyflux::text {

struct DecodedChar {
  char32_t code_point;
  std::size_t num_bytes;
};

// The character at `position`, which must start one; `text` must be valid UTF-8.
DecodedChar decode_char(std::string_view text, std::size_t position);

// True where a character starts (or at the end of) `text`.
bool is_char_boundary(std::string_view text, std::size_t position);

void append_char(std::string& text, char32_t code_point);

std::string to_utf8(char32_t code_point);

std::size_t count_chars(std::string_view text);

bool is_ascii(std::string_view text);

// The offset of the first byte that is not well-formed UTF-8 (surrogates and overlong forms are not), if any.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// Throws Error(kInvalidArgument) that names the byte offset when `prompt` is not valid UTF-8.
void require_utf8_prompt(std::string_view prompt);

// `bytes` with every malformed byte replaced by U+FFFD: for showing, not for encoding.
std::string make_readable(std::string_view bytes);

}  // namespace steadyflux::text
