// Pictures in memory: 8-bit RGB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace steadyflux {

// Rows from top to bottom, pixels from left to right, red, green, blue: `pixels` has width * height * 3 bytes.
struct RgbImage {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;
};

// The same, borrowed.
struct RgbView {
  int width = 0;
  int height = 0;
  std::span<const std::uint8_t> pixels;

  RgbView() = default;
  RgbView(int view_width, int view_height, std::span<const std::uint8_t> view_pixels)
      : width(view_width), height(view_height), pixels(view_pixels) {}
  RgbView(
      const RgbImage& image)  // NOLINT(google-explicit-constructor): an image is viewed wherever a view is asked for
      : width(image.width), height(image.height), pixels(image.pixels) {}
};

}  // namespace steadyflux
