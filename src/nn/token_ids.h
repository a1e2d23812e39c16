// Token ids on their way to a device.
#pragma once

#include <cstdint>
#include <span>

#include "backend/executor.h"

namespace steadyflux {

// The ids as a tensor [tokens] i32 in the arena. Throws Error(kInvalidArgument) when one is outside the vocabulary.
Tensor upload_token_ids(const Executor& executor, std::span<const std::int32_t> token_ids, std::int64_t vocab_size);

}  // namespace steadyflux
