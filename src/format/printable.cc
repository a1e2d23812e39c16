#include "format/printable.h"

#include <cstddef>

namespace steadyflux {
namespace {

constexpr std::size_t kMaxBytes = 200;

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i >= kMaxBytes && !continues_character(text[i])) return result + "...";
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) {
      result += "\\x";
      result += kDigits[byte >> 4];
      result += kDigits[byte & 15];
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace steadyflux
