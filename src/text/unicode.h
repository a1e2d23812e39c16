// Character classes, case and normal forms, of the Unicode versions that the reference's libraries carry.
//
// The reference mixes versions: its regular expressions follow Unicode 16, its lower case Unicode 17 and its normal
// forms Unicode 9. ICU supplies the data; what an older ICU cannot know is added from small tables, and characters
// younger than Unicode 9 are kept away from the normal forms.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace steadyflux::text {

bool is_letter(char32_t c);  // \p{L}
bool is_number(char32_t c);  // \p{N}
bool is_space(char32_t c);   // \s, the property White_Space
bool is_word(char32_t c);    // \w: alphabetic, mark, decimal digit, connector, join control

// A combining mark as the reference's accent stripping knows them (Unicode 9).
bool is_combining_mark(char32_t c);

// Appends the full lower case of one character, whatever its neighbours (so no final sigma).
void append_lower(std::string& text, char32_t c);

std::string to_lower(std::string_view text);

// How a character takes part in grapheme clusters (UAX 29).
enum class GraphemeClass {
  kOther,
  kCr,
  kLf,
  kControl,
  kExtend,
  kZwj,
  kSpacingMark,
  kPrepend,
  kL,
  kV,
  kT,
  kLv,
  kLvt,
  kRegional
};
GraphemeClass grapheme_class(char32_t c);
bool is_pictographic(char32_t c);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// One Unicode normal form. Immutable, so it may be shared by threads; copies share the tables.
class FormNormalizer {
 public:
  explicit FormNormalizer(NormalForm form);

  // `text` (valid UTF-8) in the normal form.
  std::string apply(std::string_view text) const;

 private:
  struct Tables;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace steadyflux::text
