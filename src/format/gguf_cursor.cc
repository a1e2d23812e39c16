#include "format/gguf_cursor.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace steadyflux {
namespace {

static_assert(std::endian::native == std::endian::little, "values are taken from the file as they stand there");

constexpr std::uint64_t kMaxStringBytes = 1 << 20;

}  // namespace

GgufCursor::GgufCursor(const ReadableFile& file) : file_(file), limit_(std::min(file.size(), kGgufMaxHeaderBytes)) {}

std::string GgufCursor::take_string(std::string_view what) {
  const auto length = take<std::uint64_t>(what);
  require(length, what);
  if (length > kMaxStringBytes) {
    refuse(what, " at byte ", position_, " has ", length, " bytes; at most ", kMaxStringBytes, " are read");
  }
  std::string text(length, '\0');
  read(std::as_writable_bytes(std::span(text)), what);
  return text;
}

void GgufCursor::skip(std::uint64_t count, std::string_view what) {
  require(count, what);
  position_ += count;
}

void GgufCursor::require(std::uint64_t count, std::string_view what) const {
  if (count <= remaining()) return;
  if (limit_ < file_.size()) {
    fail(ErrorCode::kInvalidFile, file_.name(), " has a header of more than ", kGgufMaxHeaderBytes,
         " bytes; it is not the GGUF file of a model");
  }
  fail(ErrorCode::kInvalidFile, file_.name(), " is truncated or damaged: ", what, " needs ", count, " bytes from byte ",
       position_, " on, but ", remaining(), " are left");
}

void GgufCursor::read(std::span<std::byte> out, std::string_view what) {
  require(out.size(), what);
  while (!out.empty()) {
    if (position_ < begin_ || position_ >= begin_ + filled_) fill();
    const auto at = static_cast<std::size_t>(position_ - begin_);
    const std::size_t count = std::min(out.size(), filled_ - at);
    std::memcpy(out.data(), buffer_.data() + at, count);
    out = out.subspan(count);
    position_ += count;
  }
}

void GgufCursor::fill() {
  begin_ = position_;
  filled_ = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), remaining()));
  file_.read(begin_, std::span(buffer_).first(filled_));
}

}  // namespace steadyflux
