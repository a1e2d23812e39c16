#include "output_pattern.h"

#include "base/error.h"
#include "io/file.h"

namespace steadyflux::cli {

OutputPattern::OutputPattern(const std::string& text, bool several, bool seeds_differ) : text_(text) {
  const std::filesystem::path as_path(text);
  if (as_path.extension() != ".png") {
    fail(ErrorCode::kInvalidArgument, "--out '", text, "' must end in .png: pictures are written as PNG");
  }
  bool distinct = false;
  for (std::size_t i = text.find('%'); i != std::string::npos; i = text.find('%', i + 2)) {
    const char kind = i + 1 < text.size() ? text[i + 1] : '\0';
    if (kind != 's' && kind != 'i' && kind != '%') {
      fail(ErrorCode::kInvalidArgument, "--out '", text, "': after % only s (seed), i (number) or % may stand");
    }
    distinct = distinct || kind == 'i' || (kind == 's' && seeds_differ);
  }
  if (several && !distinct) text_.insert(text_.size() - as_path.extension().string().size(), "-%i");
}

std::filesystem::path OutputPattern::path(int index, std::uint64_t seed) const {
  std::string path;
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] != '%') {
      path += text_[i];
      continue;
    }
    const char kind = text_[++i];
    path += kind == 's' ? std::to_string(seed) : (kind == 'i' ? std::to_string(index) : "%");
  }
  return path;
}

void OutputPattern::check_writable() const {
  // An atomic file that is never committed leaves no trace, and its creation needs exactly the rights that writing the
  // picture will.
  const AtomicFile probe(path(0, 0));
}

}  // namespace steadyflux::cli
