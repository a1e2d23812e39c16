#include <algorithm>

#include "steadyflux/steadyflux.h"

namespace steadyflux {

std::vector<ImageSize> usual_sizes(const ImageSize& max) {
  // Squares, then the common shapes of photographs and screens lying and standing, most of one megapixel.
  static constexpr ImageSize kSizes[] = {
      {128, 128},   {192, 192},   {256, 256},   {384, 384},   {512, 512},   {640, 640},   {768, 768},  {896, 896},
      {1024, 1024}, {1152, 1152}, {1280, 1280}, {1408, 1408}, {1536, 1536}, {2048, 2048}, {768, 512},  {512, 768},
      {1024, 768},  {768, 1024},  {1152, 896},  {896, 1152},  {1216, 832},  {832, 1216},  {1344, 768}, {768, 1344},
      {1536, 1024}, {1024, 1536}, {1920, 1072}, {1072, 1920}, {2048, 1152}, {1152, 2048}};
  std::vector<ImageSize> sizes;
  for (const ImageSize& size : kSizes) {
    if (size.width <= max.width && size.height <= max.height) sizes.push_back(size);
  }
  std::stable_sort(sizes.begin(), sizes.end(), [](const ImageSize& a, const ImageSize& b) {
    return std::int64_t{a.width} * a.height < std::int64_t{b.width} * b.height;
  });
  return sizes;
}

}  // namespace steadyflux
