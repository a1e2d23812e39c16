#include "backend/cuda/attention.h"

#include "backend/cuda/matrix_ops.h"

namespace steadyflux::cuda {

void run(Context& context, const ops::Attention& op) {
  const bool bf16 = op.q.dtype == DType::kBF16 && op.k.dtype == DType::kBF16 && op.v.dtype == DType::kBF16;
  if (context.is_hopper && hopper_attention_takes(op)) {
    launch_hopper_attention(op, context.num_multiprocessors, context.stream);
  } else if (bf16 && op.q.dim(2) <= kFlashHeadDim) {
    launch_flash_attention(op, context.stream);
  } else {
    launch_plain_attention(op, context.stream);
  }
}

}  // namespace steadyflux::cuda
