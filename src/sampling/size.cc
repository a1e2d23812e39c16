#include "sampling/size.h"

#include "base/error.h"

namespace steadyflux::sampling {
namespace {

void check_side(const char* name, std::int64_t side, std::int64_t step) {
  if (side < 1 || side > kMaxImageSide) {
    fail(ErrorCode::kInvalidArgument, "image ", name, " must be ", step, " to ", kMaxImageSide, " pixels, got ", side);
  }
  if (side % step == 0) return;
  const std::int64_t below = side / step * step;
  const std::int64_t above = below + step;
  if (below == 0 || above > kMaxImageSide) {
    fail(ErrorCode::kInvalidArgument, "image ", name, " ", side, " is not a multiple of ", step, "; the nearest is ",
         below == 0 ? above : below);
  }
  fail(ErrorCode::kInvalidArgument, "image ", name, " ", side, " is not a multiple of ", step, "; the nearest are ",
       below, " and ", above);
}

}  // namespace

LatentSize latent_size(std::int64_t image_width, std::int64_t image_height, int vae_scale) {
  ensure(vae_scale > 0, "latent_size: vae_scale is ", vae_scale);
  check_side("width", image_width, 2 * vae_scale);
  check_side("height", image_height, 2 * vae_scale);
  return {image_height / vae_scale, image_width / vae_scale};
}

}  // namespace steadyflux::sampling
