#include "io/memory_file.h"

#include <algorithm>
#include <cstring>

namespace steadyflux {

std::size_t MemoryFile::read_some(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset >= content_.size() || out.empty()) return 0;
  const std::size_t num_bytes = std::min<std::size_t>(out.size(), content_.size() - offset);
  std::memcpy(out.data(), content_.data() + offset, num_bytes);
  return num_bytes;
}

void MemorySink::write(std::span<const std::byte> bytes) {
  content_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace steadyflux
