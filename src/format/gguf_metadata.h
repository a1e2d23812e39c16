// The values that stand before a GGUF file's tensors.
#pragma once

#include <cstdint>

#include "format/gguf.h"
#include "format/gguf_cursor.h"

namespace steadyflux {

// Reads `count` keys with their values. Throws Error(kInvalidFile) naming the key that is there twice, or whose value
// is of an unknown type or nested too deep; and what the cursor throws.
GgufMetadata read_gguf_metadata(GgufCursor& in, std::uint64_t count);

}  // namespace steadyflux
