// PNG files: 8-bit RGB with text chunks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/image.h"

namespace steadyflux {

// One text chunk. `keyword`: 1 to 79 characters of printable ASCII. `text`: UTF-8.
struct PngText {
  std::string keyword;
  std::string text;
};

struct PngImage {
  RgbImage image;
  std::vector<PngText> texts;  // in file order
};

// Encodes `image` to `sink`. A text that is plain ASCII becomes a tEXt chunk, which every reader understands; any other
// becomes an uncompressed iTXt chunk, since tEXt is Latin-1. The bytes depend on the arguments alone.
// Throws Error(kInvalidArgument) on a wrong pixel count, a bad keyword or text that is not UTF-8, and what `sink`
// throws.
void encode_png(ByteSink& sink, RgbView image, std::span<const PngText> texts);

// encode_png into an AtomicFile at `path`.
void write_png(const std::filesystem::path& path, RgbView image, std::span<const PngText> texts);

// Decodes any PNG to 8-bit RGB: palettes and grey are expanded, 16 bits rounded to 8, alpha dropped; gamma and colour
// profiles are ignored, as common image libraries do. Text comes back as UTF-8.
// Throws Error(kInvalidFile) naming the file when it is damaged, or has more than `max_pixels` (before decoding).
PngImage read_png(const ReadableFile& file, std::uint64_t max_pixels = std::uint64_t{1} << 26);

}  // namespace steadyflux
