// Fuzzes the GGUF header: whatever is accepted must describe bytes that are there.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "format/gguf.h"
#include "io/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace steadyflux;
  const MemoryFile file("fuzz.gguf", std::string(reinterpret_cast<const char*>(data), size));
  try {
    std::uint64_t end = 0;
    for (const TensorInfo& tensor : read_gguf_header(file).tensors) {
      std::int64_t count = 1;
      for (const std::int64_t extent : tensor.shape) count *= extent;
      if (tensor.offset < end || tensor.num_bytes != bytes_of(tensor.dtype, count)) std::abort();
      end = tensor.offset + tensor.num_bytes;
      if (end > size) std::abort();
    }
  } catch (const Error&) {
    // The expected answer to a broken file.
  }
  return 0;
}
