// Fuzzes the safetensors header: whatever is accepted must describe bytes that are there.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "format/safetensors.h"
#include "io/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace steadyflux;
  const MemoryFile file("fuzz.safetensors", std::string(reinterpret_cast<const char*>(data), size));
  try {
    const SafetensorsHeader header = read_safetensors_header(file);
    for (const TensorInfo& tensor : header.tensors) {
      std::uint64_t num_bytes = dtype_bytes(tensor.dtype);
      for (const std::int64_t extent : tensor.shape) num_bytes *= static_cast<std::uint64_t>(extent);
      if (num_bytes != tensor.num_bytes || tensor.offset + tensor.num_bytes > size) std::abort();
    }
  } catch (const Error&) {
    // The expected answer to a broken file.
  }
  return 0;
}
