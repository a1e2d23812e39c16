// Checks and conversion of text encodings found in files.
#pragma once

#include <string>
#include <string_view>

namespace steadyflux {

// Whether `text` is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
// Source: the Unicode Standard, table 3-7.
bool is_utf8(std::string_view text);

// Each byte of ISO 8859-1 is the code point of the same number.
std::string latin1_to_utf8(std::string_view text);

}  // namespace steadyflux
