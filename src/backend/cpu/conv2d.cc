#include "backend/cpu/conv2d.h"

#include "backend/cpu/patch_conv.h"
#include "backend/cpu/winograd_conv.h"

namespace steadyflux::cpu {

std::size_t scratch_bytes(Context& context, const ops::Conv2d& op) {
  return suits_winograd(context, op) ? winograd_conv_scratch_bytes(context, op) : patch_conv_scratch_bytes(context, op);
}

void run(Context& context, const ops::Conv2d& op, Arena& scratch) {
  if (suits_winograd(context, op)) {
    run_winograd_conv(context, op, scratch);
  } else {
    run_patch_conv(context, op, scratch);
  }
}

}  // namespace steadyflux::cpu
