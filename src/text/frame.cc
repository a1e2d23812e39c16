#include "text/frame.h"

#include <algorithm>

#include "base/error.h"

namespace steadyflux::text {

TokenIds put_in_frame(const Frame& frame, std::span<const std::int32_t> content, int max_length,
                      FunctionRef<std::string(std::span<const std::int32_t>)> decode) {
  const std::size_t num_special = frame.prefix.size() + frame.suffix.size();
  if (max_length < 1 || static_cast<std::size_t>(max_length) < num_special) {
    fail(ErrorCode::kInvalidArgument, "a prompt cannot be cut to ", max_length, " tokens; expected at least ",
         std::max<std::size_t>(num_special, 1), ", the special tokens around it");
  }
  const auto length = static_cast<std::size_t>(max_length);
  const std::size_t kept = std::min(content.size(), length - num_special);
  TokenIds result;
  result.ids.reserve(length);
  result.ids = frame.prefix;
  result.ids.insert(result.ids.end(), content.begin(), content.begin() + static_cast<std::ptrdiff_t>(kept));
  result.ids.insert(result.ids.end(), frame.suffix.begin(), frame.suffix.end());
  result.num_tokens = static_cast<int>(result.ids.size());
  result.ids.resize(length, frame.pad_id);
  if (kept < content.size()) result.cut = decode(content.subspan(kept));
  return result;
}

std::string trim(const std::string& text) {
  constexpr const char* kSpaces = " \t\n\r";
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) + 1 - begin);
}

}  // namespace steadyflux::text
