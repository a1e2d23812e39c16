// Against a file that the gguf package wrote and read (tools/reference/make_gguf_golden.py).
#include <gtest/gtest.h>

#include <iomanip>
#include <sstream>

#include "format/gguf.h"
#include "format/json.h"

namespace steadyflux {
namespace {

constexpr const char* kFolder = "tests/golden/data/gguf";

std::string first_bytes(const ReadableFile& file, std::uint64_t offset) {
  std::array<std::byte, 8> bytes = {};
  file.read(offset, bytes);
  std::ostringstream hex;
  for (const std::byte byte : bytes) hex << std::hex << std::setw(2) << std::setfill('0') << std::to_integer<int>(byte);
  return hex.str();
}

TEST(GgufGolden, TensorsAreWhatThePackageSaysTheyAre) {
  const auto file = open_file(std::filesystem::path(kFolder) / "types.gguf");
  Json expected = read_json(std::filesystem::path(kFolder) / "types.json");
  // The package reports what is stored; the flattened shape is the only thing that differs.
  expected["conv.weight"]["shape"] = {2, 3, 1, 2};
  Json found = Json::object();
  for (const TensorInfo& tensor : read_gguf_header(*file).tensors) {
    found[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                          {"shape", tensor.shape},
                          {"offset", tensor.offset},
                          {"bytes", tensor.num_bytes},
                          {"begins", first_bytes(*file, tensor.offset)}};
  }
  EXPECT_EQ(found, expected) << found.dump(1);
}

TEST(GgufGolden, MetadataIsWhatWasWritten) {
  const GgufHeader header = read_gguf_header(*open_file(std::filesystem::path(kFolder) / "types.gguf"));
  std::map<std::string, std::string> found;
  for (const auto& [key, value] : header.metadata) found[key] = to_string(value);
  const std::map<std::string, std::string> expected = {{"comfy.gguf.orig_shape.conv.weight", "4 elements"},
                                                       {"general.architecture", "flux"},
                                                       {"general.quantization_version", "2"},
                                                       {"test.flag", "false"},
                                                       {"test.large", "1099511627776"},
                                                       {"test.lengths", "3 elements"},
                                                       {"test.share", "0.5"},
                                                       {"test.tokens", "1000 elements"},
                                                       {"test.words", "Straße, 日本"}};
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace steadyflux
