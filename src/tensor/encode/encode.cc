// Blocks with their scales inside, from f32.
#include "base/error.h"
#include "tensor/codec.h"
#include "tensor/encode/block_encoders.h"
#include "tensor/encode/finite.h"

namespace steadyflux::codec {
namespace {

template <typename Block>
concept Encodable = requires(const float* values, Block& block) {
  encode(values, block);
};

}  // namespace

bool can_encode(DType type) {
  return with_block(type, []<typename Block>(const Block*) { return Encodable<Block>; });
}

void encode(DType type, const float* values, std::int64_t count, std::byte* blocks) {
  const std::int64_t elements = block_shape(type).elements;
  ensure(count % elements == 0, "expected whole blocks of ", elements, " elements of ", dtype_name(type), ", got ",
         count);
  expect_finite(values, count);
  const bool known = with_block(type, [&]<typename Block>(const Block*) {
    if constexpr (Encodable<Block>) {
      auto* to = reinterpret_cast<Block*>(blocks);
      for (std::int64_t i = 0; i < count / elements; ++i) encode(values + i * elements, to[i]);
    }
    return Encodable<Block>;
  });
  ensure(known, "no encoder of blocks of ", dtype_name(type));
}

}  // namespace steadyflux::codec
