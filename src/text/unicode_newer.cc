#include "text/unicode_newer.h"

#include <algorithm>
#include <array>
#include <span>

namespace steadyflux::text {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Upper-case letters first..last, `step` apart, whose lower case lies `distance` further.
struct CaseRange {
  char32_t first;
  char32_t last;
  char32_t step;
  int distance;
};

constexpr std::array kLetters = {
    Range{0x1C89, 0x1C8A},   Range{0xA7CB, 0xA7CD},   Range{0xA7DA, 0xA7DC},   Range{0x105C0, 0x105F3},
    Range{0x10D4A, 0x10D65}, Range{0x10D6F, 0x10D85}, Range{0x10EC2, 0x10EC4}, Range{0x11380, 0x11389},
    Range{0x1138B, 0x1138B}, Range{0x1138E, 0x1138E}, Range{0x11390, 0x113B5}, Range{0x113B7, 0x113B7},
    Range{0x113D1, 0x113D1}, Range{0x113D3, 0x113D3}, Range{0x11BC0, 0x11BE0}, Range{0x13460, 0x143FA},
    Range{0x16100, 0x1611D}, Range{0x16D40, 0x16D6C}, Range{0x18CFF, 0x18CFF}, Range{0x1E5D0, 0x1E5ED},
    Range{0x1E5F0, 0x1E5F0}, Range{0x2EBF0, 0x2EE5D},
};

constexpr std::array kNumbers = {
    Range{0x10D40, 0x10D49}, Range{0x116D0, 0x116E3}, Range{0x11BF0, 0x11BF9}, Range{0x16130, 0x16139},
    Range{0x16D70, 0x16D79}, Range{0x1CCF0, 0x1CCF9}, Range{0x1E5F1, 0x1E5FA},
};

constexpr std::array kMarks = {Range{0x0897, 0x0897}, Range{0x1ACF, 0x1ADD}, Range{0x1AE0, 0x1AEB}};

constexpr std::array kUpperCase = {
    CaseRange{0x1C89, 0x1C89, 1, 1},      CaseRange{0xA7CB, 0xA7CB, 1, 0x264 - 0xA7CB},
    CaseRange{0xA7CC, 0xA7CE, 2, 1},      CaseRange{0xA7D2, 0xA7D4, 2, 1},
    CaseRange{0xA7DA, 0xA7DA, 1, 1},      CaseRange{0xA7DC, 0xA7DC, 1, 0x19B - 0xA7DC},
    CaseRange{0x10D50, 0x10D65, 1, 0x20}, CaseRange{0x16EA0, 0x16EB8, 1, 0x1B},
};

bool contains(std::span<const Range> ranges, char32_t c) {
  const auto after = std::ranges::upper_bound(ranges, c, {}, &Range::first);
  return after != ranges.begin() && c <= std::prev(after)->last;
}

}  // namespace

bool is_newer_letter(char32_t c) { return contains(kLetters, c); }
bool is_newer_number(char32_t c) { return contains(kNumbers, c); }
bool is_newer_mark(char32_t c) { return contains(kMarks, c); }

char32_t newer_lower(char32_t c) {
  for (const CaseRange& range : kUpperCase) {
    if (c >= range.first && c <= range.last && (c - range.first) % range.step == 0) {
      return static_cast<char32_t>(static_cast<int>(c) + range.distance);
    }
  }
  return c;
}

}  // namespace steadyflux::text
