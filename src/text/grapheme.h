// Where one user-perceived character ends: extended grapheme clusters (UAX 29).
#pragma once

#include <cstddef>
#include <string_view>

namespace steadyflux::text {

// The end of the grapheme cluster that starts at `position` of `text` (valid UTF-8, position < size).
// Follows every rule but GB9c (Indic conjuncts). The one user, the sentencepiece character map, looks only at clusters
// of fewer than six bytes, and a conjunct is longer.
std::size_t grapheme_end(std::string_view text, std::size_t position);

}  // namespace steadyflux::text
