#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <exception>
#include <string_view>

#include "base/error.h"
#include "io/png.h"
#include "io/utf8.h"

namespace steadyflux {
namespace {

// libpng reports errors by a long jump, which must cross no frame with a destructor. So everything with a destructor
// lives in encode_png, and the frames between setjmp and libpng hold plain values only.
struct Writer {
  ByteSink* sink = nullptr;
  std::exception_ptr sink_error;
  char message[160] = "";
  RgbView image;
  std::vector<png_text> texts;
};

void on_error(png_structp png, png_const_charp message) {
  auto* writer = static_cast<Writer*>(png_get_error_ptr(png));
  const std::string_view text(message);
  writer->message[text.copy(writer->message, sizeof writer->message - 1)] = '\0';
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

// Keeps what the sink throws out of libpng's frames.
bool put(Writer& writer, std::span<const std::byte> bytes) noexcept {
  try {
    writer.sink->write(bytes);
    return true;
  } catch (...) {
    writer.sink_error = std::current_exception();
    return false;
  }
}

void on_write(png_structp png, png_bytep data, std::size_t size) {
  auto* writer = static_cast<Writer*>(png_get_io_ptr(png));
  if (!put(*writer, std::as_bytes(std::span(data, size)))) png_error(png, "the output refused the bytes");
}

void on_flush(png_structp) {}

bool encode(png_structp png, png_infop info, Writer& writer) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_write_fn(png, &writer, on_write, on_flush);
  png_set_IHDR(png, info, static_cast<png_uint_32>(writer.image.width), static_cast<png_uint_32>(writer.image.height),
               8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!writer.texts.empty()) png_set_text(png, info, writer.texts.data(), static_cast<int>(writer.texts.size()));
  png_write_info(png, info);
  const std::size_t stride = static_cast<std::size_t>(writer.image.width) * 3;
  for (int row = 0; row < writer.image.height; ++row) {
    png_write_row(png, writer.image.pixels.data() + static_cast<std::size_t>(row) * stride);
  }
  png_write_end(png, nullptr);
  return true;
}

void check_image(const RgbView& image) {
  const bool sized = image.width > 0 && image.height > 0;
  if (!sized ||
      image.pixels.size() / 3 / static_cast<std::size_t>(image.width) != static_cast<std::size_t>(image.height) ||
      image.pixels.size() % (std::size_t{3} * static_cast<std::size_t>(image.width)) != 0) {
    fail(ErrorCode::kInvalidArgument, "an image of ", image.width, "x", image.height, " pixels cannot have ",
         image.pixels.size(), " bytes");
  }
}

void check_text(const PngText& text) {
  const bool printable =
      std::all_of(text.keyword.begin(), text.keyword.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (text.keyword.empty() || text.keyword.size() > 79 || !printable || text.keyword.front() == ' ' ||
      text.keyword.back() == ' ' || text.keyword.find("  ") != std::string::npos) {
    fail(ErrorCode::kInvalidArgument, "'", text.keyword, "' cannot be the keyword of a PNG text");
  }
  if (!is_utf8(text.text) || text.text.find('\0') != std::string::npos) {
    fail(ErrorCode::kInvalidArgument, "the PNG text '", text.keyword, "' is not UTF-8 or has a zero byte");
  }
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Borrows from `text`. libpng takes mutable pointers but only reads.
png_text to_png_text(const PngText& text) {
  png_text result = {};
  const bool ascii = is_ascii(text.text);
  result.compression = ascii ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
  result.key = const_cast<char*>(text.keyword.c_str());
  result.text = const_cast<char*>(text.text.c_str());
  result.text_length = ascii ? text.text.size() : 0;
  result.itxt_length = ascii ? 0 : text.text.size();
  return result;
}

// Owns libpng's two structures.
struct WriteStructs {
  explicit WriteStructs(Writer& writer)
      : png(png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, on_error, on_warning)),
        info(png != nullptr ? png_create_info_struct(png) : nullptr) {}
  ~WriteStructs() { png_destroy_write_struct(&png, &info); }
  WriteStructs(const WriteStructs&) = delete;
  WriteStructs& operator=(const WriteStructs&) = delete;

  png_structp png;
  png_infop info;
};

}  // namespace

void encode_png(ByteSink& sink, RgbView image, std::span<const PngText> texts) {
  check_image(image);
  Writer writer;
  writer.sink = &sink;
  writer.image = image;
  for (const PngText& text : texts) {
    check_text(text);
    writer.texts.push_back(to_png_text(text));
  }
  const WriteStructs structs(writer);
  if (structs.info == nullptr) fail(ErrorCode::kIo, "cannot encode a PNG: out of memory");
  if (encode(structs.png, structs.info, writer)) return;
  if (writer.sink_error) std::rethrow_exception(writer.sink_error);
  fail(ErrorCode::kInvalidArgument, "cannot encode a PNG of ", image.width, "x", image.height, ": ", writer.message);
}

void write_png(const std::filesystem::path& path, RgbView image, std::span<const PngText> texts) {
  AtomicFile file(path);
  encode_png(file, image, texts);
  file.commit();
}

}  // namespace steadyflux
