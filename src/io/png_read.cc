#include <png.h>

#include <csetjmp>
#include <exception>
#include <string_view>

#include "base/error.h"
#include "io/png.h"
#include "io/utf8.h"

namespace steadyflux {
namespace {

// Text chunks larger than this are damage, not words.
constexpr png_alloc_size_t kMaxChunkBytes = png_alloc_size_t{16} << 20;
constexpr png_uint_32 kMaxChunks = 256;

// As in png_write.cc: libpng's long jumps must cross no frame with a destructor, so the steps below hold plain values
// and everything else lives in read_png.
struct Reader {
  const ReadableFile* file = nullptr;
  std::uint64_t offset = 0;
  std::exception_ptr file_error;
  char message[160] = "";
};

void on_error(png_structp png, png_const_charp message) {
  auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
  const std::string_view text(message);
  reader->message[text.copy(reader->message, sizeof reader->message - 1)] = '\0';
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

bool take(Reader& reader, std::span<std::byte> bytes) noexcept {
  try {
    reader.file->read(reader.offset, bytes);
    reader.offset += bytes.size();
    return true;
  } catch (...) {
    reader.file_error = std::current_exception();
    return false;
  }
}

void on_read(png_structp png, png_bytep data, std::size_t size) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (!take(*reader, std::as_writable_bytes(std::span(data, size)))) png_error(png, "the file refused the bytes");
}

// Reads up to the pixels and asks for 8-bit RGB.
bool read_header(png_structp png, png_infop info, Reader& reader) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_read_fn(png, &reader, on_read);
  png_set_chunk_malloc_max(png, kMaxChunkBytes);
  png_set_chunk_cache_max(png, kMaxChunks);
  png_read_info(png, info);
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return true;
}

bool read_pixels(png_structp png, png_infop info, std::uint8_t* pixels, png_bytepp rows, std::size_t num_rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  const std::size_t stride = png_get_rowbytes(png, info);
  for (std::size_t row = 0; row < num_rows; ++row) rows[row] = pixels + row * stride;
  png_read_image(png, rows);
  png_read_end(png, info);
  return true;
}

struct ReadStructs {
  explicit ReadStructs(Reader& reader)
      : png(png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning)),
        info(png != nullptr ? png_create_info_struct(png) : nullptr) {}
  ~ReadStructs() { png_destroy_read_struct(&png, &info, nullptr); }
  ReadStructs(const ReadStructs&) = delete;
  ReadStructs& operator=(const ReadStructs&) = delete;

  png_structp png;
  png_infop info;
};

[[noreturn]] void fail_read(const Reader& reader) {
  if (reader.file_error) std::rethrow_exception(reader.file_error);
  fail(ErrorCode::kInvalidFile, reader.file->name(), " is not a sound PNG: ", reader.message);
}

std::vector<PngText> texts_of(png_structp png, png_infop info) {
  png_textp chunks = nullptr;
  int num_chunks = 0;
  png_get_text(png, info, &chunks, &num_chunks);
  std::vector<PngText> texts;
  for (int i = 0; i < num_chunks; ++i) {
    const bool international = chunks[i].compression >= PNG_ITXT_COMPRESSION_NONE;
    const std::string_view text(chunks[i].text, international ? chunks[i].itxt_length : chunks[i].text_length);
    // Some writers put UTF-8 into tEXt; what is valid UTF-8 is hardly ever meant as Latin-1.
    texts.push_back({latin1_to_utf8(chunks[i].key), is_utf8(text) ? std::string(text) : latin1_to_utf8(text)});
  }
  return texts;
}

}  // namespace

PngImage read_png(const ReadableFile& file, std::uint64_t max_pixels) {
  Reader reader;
  reader.file = &file;
  const ReadStructs structs(reader);
  if (structs.info == nullptr) fail(ErrorCode::kIo, "cannot decode ", file.name(), ": out of memory");
  if (!read_header(structs.png, structs.info, reader)) fail_read(reader);

  const std::uint64_t width = png_get_image_width(structs.png, structs.info);
  const std::uint64_t height = png_get_image_height(structs.png, structs.info);
  if (width * height > max_pixels) {
    fail(ErrorCode::kInvalidFile, file.name(), " has ", width, "x", height, " pixels; at most ", max_pixels,
         " are accepted");
  }
  ensure(png_get_rowbytes(structs.png, structs.info) == width * 3, "PNG rows are not RGB");
  PngImage result;
  result.image.width = static_cast<int>(width);
  result.image.height = static_cast<int>(height);
  result.image.pixels = std::vector<std::uint8_t>(width * height * 3);
  std::vector<png_bytep> rows(height);
  if (!read_pixels(structs.png, structs.info, result.image.pixels.data(), rows.data(), rows.size())) fail_read(reader);
  result.texts = texts_of(structs.png, structs.info);
  return result;
}

}  // namespace steadyflux
