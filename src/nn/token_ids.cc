#include "nn/token_ids.h"

#include "base/error.h"

namespace steadyflux {

Tensor upload_token_ids(const Executor& executor, std::span<const std::int32_t> token_ids, std::int64_t vocab_size) {
  for (const std::int32_t id : token_ids) {
    if (id < 0 || id >= vocab_size) {
      fail(ErrorCode::kInvalidArgument, "token id ", id, " is outside the encoder's vocabulary of ", vocab_size,
           ": tokenizer and text encoder do not belong together");
    }
  }
  const Tensor ids = executor.allocate(DType::kI32, {static_cast<std::int64_t>(token_ids.size())});
  executor.backend().upload(std::as_bytes(token_ids), ids);
  return ids;
}

}  // namespace steadyflux
