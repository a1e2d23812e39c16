// The header of a GGUF file, read value by value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/file.h"

namespace steadyflux {

// Far above the header of any model with its tokenizer.
inline constexpr std::uint64_t kGgufMaxHeaderBytes = 100'000'000;

// Reads through a buffer; where the header ends is not known before. What is read is called `what` in errors: all throw
// Error(kInvalidFile) when the file, or as much of it as a header may have, ends before it.
class GgufCursor {
 public:
  explicit GgufCursor(const ReadableFile& file);

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return limit_ - position_; }

  // A number, little endian.
  template <typename T>
  T take(std::string_view what) {
    T value;
    read(std::as_writable_bytes(std::span(&value, 1)), what);
    return value;
  }

  // A number of bytes, then the bytes. Longer ones than a name or a text of metadata may be are an error, too.
  std::string take_string(std::string_view what);

  void skip(std::uint64_t count, std::string_view what);

  // Throws Error(kInvalidFile) that names the file.
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kInvalidFile, file_.name(), ": ", parts...);
  }

 private:
  void require(std::uint64_t count, std::string_view what) const;
  void read(std::span<std::byte> out, std::string_view what);
  void fill();

  const ReadableFile& file_;
  std::uint64_t limit_;
  std::uint64_t position_ = 0;
  std::array<std::byte, std::size_t{64} << 10> buffer_ = {};
  std::uint64_t begin_ = 0;  // where in the file the buffer begins
  std::size_t filled_ = 0;
};

}  // namespace steadyflux
