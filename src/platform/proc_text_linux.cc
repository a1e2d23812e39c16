#include "platform/proc_text_linux.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

namespace steadyflux {

std::optional<std::string_view> read_proc_text(const char* path, std::span<char> buffer) {
  const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  std::size_t filled = 0;
  ssize_t got = 0;
  do {
    got = ::read(descriptor, buffer.data() + filled, buffer.size() - filled);
    if (got > 0) filled += static_cast<std::size_t>(got);
  } while (got > 0 && filled < buffer.size());
  ::close(descriptor);
  if (got < 0) return std::nullopt;
  return std::string_view(buffer.data(), filled);
}

std::optional<std::uint64_t> number_after(std::string_view text, std::string_view key) {
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    const bool starts_word = at == 0 || text[at - 1] == '\n' || text[at - 1] == ' ';
    if (!starts_word) continue;
    const std::size_t digits = text.find_first_not_of(" \t", at + key.size());
    if (digits == std::string_view::npos) return std::nullopt;
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    if (std::from_chars(text.data() + digits, end, value).ec != std::errc()) return std::nullopt;
    return value;
  }
  return std::nullopt;
}

}  // namespace steadyflux
