#include "text/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uset.h>
#include <unicode/ustring.h>

#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/unicode_newer.h"
#include "text/utf8.h"

namespace steadyflux::text {
namespace {

// The reference's normal forms and combining marks are those of this version.
constexpr const char16_t* kNormalFormAge = u"[:age=9.0:]";
constexpr int kNormalFormMajor = 9;

UChar32 icu(char32_t c) { return static_cast<UChar32>(c); }

bool has_category(char32_t c, std::uint32_t mask) { return (U_GET_GC_MASK(icu(c)) & mask) != 0; }

void check(UErrorCode status, const char* what) {
  if (U_FAILURE(status)) {
    fail(ErrorCode::kIo, "ICU could not ", what, ": ", u_errorName(status), "; check that ICU's data is installed");
  }
}

const UNormalizer2* shared_instance(NormalForm form, UErrorCode* status) {
  switch (form) {
    case NormalForm::kNfc:
      return unorm2_getNFCInstance(status);
    case NormalForm::kNfd:
      return unorm2_getNFDInstance(status);
    case NormalForm::kNfkc:
      return unorm2_getNFKCInstance(status);
    case NormalForm::kNfkd:
      return unorm2_getNFKDInstance(status);
  }
  fail(ErrorCode::kInternal, "internal error: unknown normal form");
}

struct CloseSet {
  void operator()(USet* set) const { uset_close(set); }
};
struct CloseNormalizer {
  void operator()(UNormalizer2* normalizer) const { unorm2_close(normalizer); }
};

std::vector<UChar> to_utf16(std::string_view text) {
  std::vector<UChar> wide;
  wide.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const DecodedChar c = decode_char(text, i);
    i += c.num_bytes;
    if (c.code_point < 0x10000) {
      wide.push_back(static_cast<UChar>(c.code_point));
    } else {
      wide.push_back(U16_LEAD(icu(c.code_point)));
      wide.push_back(U16_TRAIL(icu(c.code_point)));
    }
  }
  return wide;
}

std::string to_utf8(std::span<const UChar> wide) {
  std::string text;
  text.reserve(wide.size());
  for (std::size_t i = 0; i < wide.size(); ++i) {
    char32_t c = wide[i];
    if (U16_IS_LEAD(wide[i]) && i + 1 < wide.size()) {
      ++i;
      c = static_cast<char32_t>(U16_GET_SUPPLEMENTARY(wide[i - 1], wide[i]));
    }
    append_char(text, c);
  }
  return text;
}

}  // namespace

bool is_letter(char32_t c) { return has_category(c, U_GC_L_MASK) || (c > 0x7F && is_newer_letter(c)); }

bool is_number(char32_t c) { return has_category(c, U_GC_N_MASK) || (c > 0x7F && is_newer_number(c)); }

bool is_space(char32_t c) { return u_isUWhiteSpace(icu(c)) != 0; }

bool is_word(char32_t c) {
  return u_hasBinaryProperty(icu(c), UCHAR_ALPHABETIC) != 0 ||
         has_category(c, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) ||
         u_hasBinaryProperty(icu(c), UCHAR_JOIN_CONTROL) != 0;
}

bool is_combining_mark(char32_t c) {
  UVersionInfo age;
  u_charAge(icu(c), age);
  // The characters whose category changed since: the first two were marks until Unicode 12, the third is one from 11
  // on.
  if (c == 0x1CF2 || c == 0x1CF3) return true;
  if (c == 0x111C9) return false;
  return age[0] <= kNormalFormMajor && has_category(c, U_GC_M_MASK);
}

void append_lower(std::string& text, char32_t c) {
  if (c < 0x80) {
    text.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
    return;
  }
  // The one character whose full lower case is longer than its simple one.
  if (c == 0x130) {
    text += "i\u0307";
    return;
  }
  append_char(text, newer_lower(static_cast<char32_t>(u_tolower(icu(c)))));
}

std::string to_lower(std::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const DecodedChar c = decode_char(text, i);
    append_lower(lower, c.code_point);
    i += c.num_bytes;
  }
  return lower;
}

GraphemeClass grapheme_class(char32_t c) {
  switch (u_getIntPropertyValue(icu(c), UCHAR_GRAPHEME_CLUSTER_BREAK)) {
    case U_GCB_CR:
      return GraphemeClass::kCr;
    case U_GCB_LF:
      return GraphemeClass::kLf;
    case U_GCB_CONTROL:
      return GraphemeClass::kControl;
    case U_GCB_EXTEND:
      return GraphemeClass::kExtend;
    case U_GCB_ZWJ:
      return GraphemeClass::kZwj;
    case U_GCB_SPACING_MARK:
      return GraphemeClass::kSpacingMark;
    case U_GCB_PREPEND:
      return GraphemeClass::kPrepend;
    case U_GCB_L:
      return GraphemeClass::kL;
    case U_GCB_V:
      return GraphemeClass::kV;
    case U_GCB_T:
      return GraphemeClass::kT;
    case U_GCB_LV:
      return GraphemeClass::kLv;
    case U_GCB_LVT:
      return GraphemeClass::kLvt;
    case U_GCB_REGIONAL_INDICATOR:
      return GraphemeClass::kRegional;
    default:
      return is_newer_mark(c) ? GraphemeClass::kExtend : GraphemeClass::kOther;
  }
}

bool is_pictographic(char32_t c) { return u_hasBinaryProperty(icu(c), UCHAR_EXTENDED_PICTOGRAPHIC) != 0; }

// The filtered normalizer borrows the set, so the set is declared first and closed last.
struct FormNormalizer::Tables {
  std::unique_ptr<USet, CloseSet> ages;
  std::unique_ptr<UNormalizer2, CloseNormalizer> normalizer;
};

FormNormalizer::FormNormalizer(NormalForm form) {
  UErrorCode status = U_ZERO_ERROR;
  auto tables = std::make_shared<Tables>();
  tables->ages.reset(uset_openPattern(kNormalFormAge, -1, &status));
  check(status, "build the set of characters to normalize");
  uset_freeze(tables->ages.get());
  const UNormalizer2* whole = shared_instance(form, &status);
  check(status, "load the data of a normal form");
  tables->normalizer.reset(unorm2_openFiltered(whole, tables->ages.get(), &status));
  check(status, "build a normalizer");
  tables_ = std::move(tables);
}

std::string FormNormalizer::apply(std::string_view text) const {
  if (is_ascii(text)) return std::string(text);
  const std::vector<UChar> wide = to_utf16(text);
  // Compatibility forms grow a character to at most 18, so the sizes below stay within 32 bits for any real prompt.
  if (wide.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) / 18) {
    fail(ErrorCode::kInvalidArgument, "a prompt of ", text.size(), " bytes is too long to normalize");
  }
  const auto length = static_cast<std::int32_t>(wide.size());
  std::vector<UChar> result(wide.size() * 2 + 16);
  for (;;) {
    UErrorCode status = U_ZERO_ERROR;
    const std::int32_t needed = unorm2_normalize(tables_->normalizer.get(), wide.data(), length, result.data(),
                                                 static_cast<std::int32_t>(result.size()), &status);
    if (status != U_BUFFER_OVERFLOW_ERROR) {
      check(status, "normalize a text");
      return to_utf8(std::span(result).first(static_cast<std::size_t>(needed)));
    }
    result.resize(static_cast<std::size_t>(needed));
  }
}

}  // namespace steadyflux::text
