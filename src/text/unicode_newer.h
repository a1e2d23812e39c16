// What Unicode 16 and 17 added to the properties that tokenizing needs, for an ICU that is older than they are.
#pragma once

namespace steadyflux::text {

bool is_newer_letter(char32_t c);  // letters of Unicode 15.1 and 16
bool is_newer_number(char32_t c);  // numbers of Unicode 16
bool is_newer_mark(char32_t c);    // grapheme extenders of Unicode 16 and 17 in the Basic Multilingual Plane

// The lower case of an upper-case letter of Unicode 16 or 17; any other character itself.
char32_t newer_lower(char32_t c);

}  // namespace steadyflux::text
