// The special tokens around a prompt, and its length: cut to fit, padded to fill.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "text/token_ids.h"

namespace steadyflux::text {

struct Frame {
  std::vector<std::int32_t> prefix;
  std::vector<std::int32_t> suffix;
  std::int32_t pad_id = 0;
};

// Exactly `max_length` ids: the prefix, as much of `content` as fits, the suffix, padding. `decode` turns ids into
// text; it is called for the ids that did not fit. Throws Error(kInvalidArgument) when not even the prefix and the
// suffix fit.
TokenIds put_in_frame(const Frame& frame, std::span<const std::int32_t> content, int max_length,
                      FunctionRef<std::string(std::span<const std::int32_t>)> decode);

// `text` without the white space at both ends (ASCII only).
std::string trim(const std::string& text);

}  // namespace steadyflux::text
