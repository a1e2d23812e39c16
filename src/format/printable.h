// Text out of files as it may appear in an error.
#pragma once

#include <string>
#include <string_view>

namespace steadyflux {

// `text` (UTF-8) with control characters as \xNN and anything beyond some 200 bytes cut, so that a hostile name can
// neither hide the rest of a message nor write to the terminal.
std::string printable(std::string_view text);

}  // namespace steadyflux
