#include "io/utf8.h"

#include <cstddef>

namespace steadyflux {
namespace {

// The length of the sequence that `lead` begins and the range of its second byte; length 0 for no lead byte.
struct SequenceRule {
  std::size_t length = 0;
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xBF;
};

SequenceRule rule_of(unsigned char lead) {
  if (lead < 0x80) return {1};
  if (lead < 0xC2) return {0};
  if (lead < 0xE0) return {2};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead < 0xF0) return {3};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead < 0xF4) return {4};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

}  // namespace

bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const SequenceRule rule = rule_of(static_cast<unsigned char>(text[at]));
    if (rule.length == 0 || rule.length > text.size() - at) return false;
    for (std::size_t i = 1; i < rule.length; ++i) {
      const auto byte = static_cast<unsigned char>(text[at + i]);
      const unsigned char min = i == 1 ? rule.second_min : 0x80;
      const unsigned char max = i == 1 ? rule.second_max : 0xBF;
      if (byte < min || byte > max) return false;
    }
    at += rule.length;
  }
  return true;
}

std::string latin1_to_utf8(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      result += c;
    } else {
      result += static_cast<char>(0xC0 | (byte >> 6));
      result += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return result;
}

}  // namespace steadyflux
