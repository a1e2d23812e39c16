#include "format/safetensors.h"

#include <algorithm>

#include "base/checked.h"
#include "io/expect_error.h"
#include "io/expect_unharmed.h"
#include "io/faulty_file.h"
#include "io/memory_file.h"

namespace steadyflux {
namespace {

// A file of the header `json` and `num_data` bytes.
std::string file_of(std::string_view json, std::size_t num_data) {
  std::string content;
  for (unsigned i = 0; i < 8; ++i) content += static_cast<char>((json.size() >> (8 * i)) & 0xFF);
  content += json;
  content.append(num_data, 'x');
  return content;
}

SafetensorsHeader parse(std::string content) {
  return read_safetensors_header(MemoryFile("w.safetensors", std::move(content)));
}

void expect_refused(std::string_view part, std::string_view json, std::size_t num_data,
                    ErrorCode code = ErrorCode::kInvalidFile) {
  expect_error(code, part, [&] { parse(file_of(json, num_data)); });
}

constexpr std::string_view kSound =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
    R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"none":{"dtype":"I64","shape":[0,5],"data_offsets":[4,4]}} )";
constexpr std::size_t kSoundData = 16;

// Every promise that the header's result makes about a file of `file_size` bytes.
void expect_consistent(const SafetensorsHeader& header, std::uint64_t file_size) {
  std::uint64_t end = header.tensors.empty() ? file_size : header.tensors.front().offset;
  for (const TensorInfo& tensor : header.tensors) {
    EXPECT_EQ(tensor.offset, end);
    std::optional<std::uint64_t> num_bytes = dtype_bytes(tensor.dtype);
    for (const std::int64_t extent : tensor.shape) {
      ASSERT_GE(extent, 0);
      num_bytes = checked_mul(num_bytes.value(), static_cast<std::uint64_t>(extent));
      ASSERT_TRUE(num_bytes.has_value());
    }
    EXPECT_EQ(tensor.num_bytes, num_bytes);
    end = tensor.offset + tensor.num_bytes;
  }
  EXPECT_EQ(end, file_size);
}

TEST(Safetensors, ReadsTensorsInFileOrder) {
  const SafetensorsHeader header = parse(file_of(kSound, kSoundData));
  const std::uint64_t data = 8 + kSound.size();
  ASSERT_EQ(header.tensors.size(), 3U);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.tensors[0].dtype, DType::kF32);
  EXPECT_TRUE(header.tensors[0].shape.empty());
  EXPECT_EQ(header.tensors[0].offset, data);
  EXPECT_EQ(header.tensors[1].name, "none");
  EXPECT_EQ(header.tensors[1].num_bytes, 0U);
  EXPECT_EQ(header.tensors[2].name, "b");
  EXPECT_EQ(header.tensors[2].shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(header.tensors[2].offset, data + 4);
  EXPECT_EQ(header.tensors[2].num_bytes, 12U);
  EXPECT_EQ(header.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_TRUE(parse(file_of("{}", 0)).tensors.empty());
}

TEST(Safetensors, TruncationAtAnyByteIsAnError) {
  const std::string content = file_of(kSound, kSoundData);
  for (std::size_t length = 0; length < content.size(); ++length) {
    expect_error(ErrorCode::kInvalidFile, "w.safetensors", [&] { parse(content.substr(0, length)); });
  }
  expect_error(ErrorCode::kInvalidFile, "5 of 16 bytes of tensor data are missing",
               [&] { parse(content.substr(0, content.size() - 5)); });
  expect_error(ErrorCode::kInvalidFile, "21 bytes of its header are missing",
               [&] { parse(content.substr(0, content.size() - kSoundData - 21)); });
}

TEST(Safetensors, NoBitFlipOfTheHeaderDoesHarm) {
  expect_unharmed_by_bit_flips(file_of(kSound, kSoundData), 8 + kSound.size(),
                               {ErrorCode::kInvalidFile, ErrorCode::kUnsupported},
                               [](const std::string& flipped) { expect_consistent(parse(flipped), flipped.size()); });
}

TEST(Safetensors, ReadFaultsAreErrorsAndShortReadsAreNot) {
  const auto file = std::make_shared<MemoryFile>("w.safetensors", file_of(kSound, kSoundData));
  expect_consistent(read_safetensors_header(FaultyFile(file, {.max_bytes_per_read = 1})), file->size());
  for (const std::uint64_t k : {1U, 2U}) {
    expect_error(ErrorCode::kIo, "w.safetensors",
                 [&] { read_safetensors_header(FaultyFile(file, {.fail_every = k})); });
    expect_error(ErrorCode::kInvalidFile, "w.safetensors",
                 [&] { read_safetensors_header(FaultyFile(file, {.garbage_every = k})); });
  }
}

TEST(Safetensors, AHugeHeaderLengthIsRefusedBeforeReading) {
  for (const char last : {'\x01', '\x7F', '\xFF'}) {
    const auto file = std::make_shared<MemoryFile>("w.safetensors", std::string(7, '\0') + last + std::string(64, ' '));
    const FaultyFile counting(file, {});
    expect_error(ErrorCode::kInvalidFile, "not a safetensors file", [&] { read_safetensors_header(counting); });
    EXPECT_EQ(counting.num_reads(), 1U);
  }
}

TEST(Safetensors, RefusesExtentsThatDoNotFit) {
  expect_refused("before it begins", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[8,4]}})", 8);
  expect_refused("inside another",
                 R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                 R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
                 6);
  expect_refused("inside another",
                 R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                 R"("b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
                 4);
  expect_refused("leaving a gap", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}})", 5);
  expect_refused("leaving a gap",
                 R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                 R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                 3);
  expect_refused("after the last tensor", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 5);
  expect_refused("bytes of tensor data are missing",
                 R"({"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}})", 4);
}

TEST(Safetensors, RefusesShapesThatDoNotFit) {
  expect_refused("need 8", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4);
  expect_refused("overflows", R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0);
  expect_refused("negative", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}})", 0);
  expect_refused("dimension of", R"({"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,0]}})", 0);
  expect_refused("fractional", R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1);
  expect_refused("dimensions",
                 R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1);
}

TEST(Safetensors, NamesDtypeAndTensorThatItCannotUse) {
  expect_refused("\"a\" has the unsupported dtype \"F8_E4M3\"",
                 R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1, ErrorCode::kUnsupported);
  expect_refused("\"a\" has the unknown dtype \"Q7\"", R"({"a":{"dtype":"Q7","shape":[1],"data_offsets":[0,1]}})", 1);
  expect_refused("unknown dtype \"Q4_0\"", R"({"a":{"dtype":"Q4_0","shape":[32],"data_offsets":[0,18]}})", 18);
  expect_refused("unknown dtype \"f32\"", R"({"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", 4);
}

TEST(Safetensors, RefusesEntriesOfAnotherForm) {
  expect_refused(
      "twice",
      R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
      0);
  expect_refused("twice", R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0);
  expect_refused("twice", R"({"__metadata__":{"k":"1","k":"2"}})", 0);
  expect_refused("twice", R"({"__metadata__":{},"__metadata__":{}})", 0);
  expect_refused("has no \"shape\"", R"({"a":{"dtype":"U8","data_offsets":[0,0]}})", 0);
  expect_refused("not two", R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0]}})", 0);
  expect_refused("more than two", R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0,0]}})", 0);
  expect_refused("unknown property", R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"scale":1}})", 0,
                 ErrorCode::kUnsupported);
  for (const char* json : {R"({"a":1})", R"({"a":null})", R"({"a":[]})", R"({"a":"x"})", R"({"__metadata__":{"k":1}})",
                           R"({"__metadata__":[]})", R"({"__metadata__":{"k":{}}})", R"({"a":{"dtype":["U8"]}})",
                           R"({"a":{"shape":[[0]]}})", R"({"a":{"shape":0}})", R"({"a":{"shape":{}}})",
                           R"({"a":{"dtype":true}})", R"({"a":{"shape":["1"]}})"}) {
    expect_refused("out of place", json, 0);
  }
}

TEST(Safetensors, RefusesHeadersThatAreNotJson) {
  expect_refused("does not begin", "", 0);
  expect_refused("does not begin", "[]", 0);
  expect_refused("does not begin", " {}", 0);
  expect_refused("not JSON", "{", 0);
  expect_refused("not JSON", "{} x", 0);
  expect_refused("not JSON", "{\"\xFF\":{}}", 0);
  expect_refused("out of place", "{\"a\":" + std::string(100000, '['), 0);
}

}  // namespace
}  // namespace steadyflux
