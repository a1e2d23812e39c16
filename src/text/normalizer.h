// What happens to a text before it is cut: the "normalizer" of a tokenizer.json.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/charsmap.h"

namespace steadyflux::text {

// Rewrites a text in place; immutable itself, so it may be shared by threads.
using NormalizerStep = std::function<void(Normalized&)>;

// The steps of a tokenizer.json's "normalizer", in order; null gives none. Known: NFC, NFD, NFKC, NFKD, Lowercase, Nmt,
// StripAccents, Strip, Replace (a string, or the regular expressions " {n,}", " +", "\s{n,}", "\s+"), Prepend,
// Precompiled and Sequence.
// Throws Error(kUnsupported) that names any other type or expression, Error(kInvalidFile) for a malformed one.
std::vector<NormalizerStep> parse_normalizer(const nlohmann::json& normalizer, std::string_view file);

// The content of the first Precompiled normalizer, at the top or directly in a Sequence; empty when there is none.
std::string find_charsmap(const nlohmann::json& normalizer, std::string_view file);

NormalizerStep charsmap_step(Charsmap map);

// NFC, runs of white space to one space, lower case: CLIP's.
std::vector<NormalizerStep> clip_normalizer();

Normalized normalize(std::string_view text, const std::vector<NormalizerStep>& steps);

}  // namespace steadyflux::text
