#include "format/gguf.h"

#include <algorithm>
#include <cstring>

#include "format/gguf_types.h"
#include "io/expect_error.h"
#include "io/expect_unharmed.h"
#include "io/faulty_file.h"
#include "io/memory_file.h"

namespace steadyflux {
namespace {

// Puts a file together, byte by byte.
class FileBuilder {
 public:
  template <typename T>
  FileBuilder& put(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    content_.append(bytes, sizeof(T));
    return *this;
  }
  FileBuilder& put(GgufType type) { return put(static_cast<std::uint32_t>(type)); }
  FileBuilder& text(std::string_view value) {
    put(std::uint64_t{value.size()});
    content_.append(value);
    return *this;
  }
  FileBuilder& preamble(std::uint64_t num_tensors, std::uint64_t num_pairs, std::uint32_t version = 3) {
    content_.append(kGgufMagic);
    return put(version).put(num_tensors).put(num_pairs);
  }
  // `dims` as the file has them, innermost first.
  FileBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& dims, std::uint32_t type,
                      std::uint64_t offset) {
    text(name).put(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t extent : dims) put(extent);
    return put(type).put(offset);
  }
  FileBuilder& data(std::size_t num_bytes, std::size_t alignment = 32) {
    while (content_.size() % alignment != 0) content_ += '\0';
    content_.append(num_bytes, 'x');
    return *this;
  }

  const std::string& content() const { return content_; }

 private:
  std::string content_;
};

GgufHeader parse(std::string content) { return read_gguf_header(MemoryFile("w.gguf", std::move(content))); }

void expect_refused(std::string_view part, const FileBuilder& file, ErrorCode code = ErrorCode::kInvalidFile) {
  expect_error(code, part, [&] { parse(file.content()); });
}

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ4K = 12;

// Two tensors and values of every kind: 64 + 2 * 144 bytes of data.
FileBuilder sound() {
  FileBuilder file;
  file.preamble(2, 8);
  file.text("general.architecture").put(GgufType::kString).text("flux");
  file.text("a.count").put(GgufType::kU32).put(std::uint32_t{7});
  file.text("a.byte").put(GgufType::kI8).put(std::int8_t{-3});
  file.text("a.share").put(GgufType::kF32).put(0.25f);
  file.text("a.flag").put(GgufType::kBool).put(std::uint8_t{1});
  file.text("a.words").put(GgufType::kArray).put(GgufType::kString).put(std::uint64_t{2}).text("ab").text("c");
  file.text("a.nested").put(GgufType::kArray).put(GgufType::kArray).put(std::uint64_t{1});
  file.put(GgufType::kF64).put(std::uint64_t{1}).put(0.5);
  file.text("a.shape").put(GgufType::kArray).put(GgufType::kI32).put(std::uint64_t{2});
  file.put(std::int32_t{2}).put(std::int32_t{3});
  file.tensor("block.weight", {256, 2}, kQ4K, 64);
  file.tensor("block.bias", {16}, kF32, 0);
  return file.data(64 + 2 * 144);
}

// Every promise that the header's result makes about a file of `file_size` bytes.
void expect_consistent(const GgufHeader& header, std::uint64_t file_size) {
  std::uint64_t end = 0;
  for (const TensorInfo& tensor : header.tensors) {
    EXPECT_GE(tensor.offset, end);
    ASSERT_LE(tensor.offset, file_size);
    ASSERT_LE(tensor.num_bytes, file_size - tensor.offset);
    std::int64_t count = 1;
    for (const std::int64_t extent : tensor.shape) {
      ASSERT_GE(extent, 0);
      count *= extent;
    }
    EXPECT_EQ(tensor.num_bytes, bytes_of(tensor.dtype, count));
    end = tensor.offset + tensor.num_bytes;
  }
}

TEST(Gguf, ReadsTensorsInFileOrderWithTheOutermostDimensionFirst) {
  const FileBuilder file = sound();
  const GgufHeader header = parse(file.content());
  EXPECT_EQ(header.version, 3U);
  ASSERT_EQ(header.tensors.size(), 2U);
  EXPECT_EQ(header.tensors[0].name, "block.bias");
  EXPECT_EQ(header.tensors[0].offset, file.content().size() - 64 - 2 * 144);
  EXPECT_EQ(header.tensors[1].name, "block.weight");
  EXPECT_EQ(header.tensors[1].dtype, DType::kQ4K);
  EXPECT_EQ(header.tensors[1].shape, (std::vector<std::int64_t>{2, 256}));
  EXPECT_EQ(header.tensors[1].num_bytes, 2U * 144);
  expect_consistent(header, file.content().size());
}

TEST(Gguf, KeepsMetadata) {
  const GgufHeader header = parse(sound().content());
  const auto text = [&](std::string_view key) { return to_string(header.metadata.find(key)->second); };
  EXPECT_EQ(text("general.architecture"), "flux");
  EXPECT_EQ(text("a.count"), "7");
  EXPECT_EQ(text("a.byte"), "-3");
  EXPECT_EQ(text("a.share"), "0.25");
  EXPECT_EQ(text("a.flag"), "true");
  EXPECT_EQ(text("a.words"), "2 elements");
  EXPECT_EQ(std::get<GgufArray>(header.metadata.find("a.shape")->second).integers, (std::vector<std::int64_t>{2, 3}));
}

TEST(Gguf, TruncationAtAnyByteIsAnError) {
  const std::string content = sound().content();
  for (std::size_t length = 0; length < content.size(); ++length) {
    expect_error(ErrorCode::kInvalidFile, "w.gguf", [&] { parse(content.substr(0, length)); });
  }
}

TEST(Gguf, NoBitFlipOfTheHeaderDoesHarm) {
  const std::string content = sound().content();
  expect_unharmed_by_bit_flips(content, content.size() - 64 - 2 * 144,
                               {ErrorCode::kInvalidFile, ErrorCode::kUnsupported},
                               [](const std::string& flipped) { expect_consistent(parse(flipped), flipped.size()); });
}

TEST(Gguf, ReadFaultsAreErrorsAndShortReadsAreNot) {
  const auto file = std::make_shared<MemoryFile>("w.gguf", sound().content());
  expect_consistent(read_gguf_header(FaultyFile(file, {.max_bytes_per_read = 1})), file->size());
  expect_error(ErrorCode::kIo, "w.gguf", [&] { read_gguf_header(FaultyFile(file, {.fail_every = 1})); });
}

TEST(Gguf, OtherVersionsAreNotSupported) {
  expect_refused("version 1;", FileBuilder().preamble(0, 0, 1), ErrorCode::kUnsupported);
  expect_refused("version 4;", FileBuilder().preamble(0, 0, 4), ErrorCode::kUnsupported);
  expect_refused("big-endian", FileBuilder().preamble(0, 0, 0x03000000), ErrorCode::kUnsupported);
  EXPECT_EQ(parse(FileBuilder().preamble(0, 0, 2).content()).version, 2U);
  expect_error(ErrorCode::kInvalidFile, "not a GGUF file", [&] { parse(std::string(24, 'G')); });
}

TEST(Gguf, CountsThatTheFileCannotHoldAreRefusedBeforeAnythingIsDone) {
  expect_refused("claims 1000 tensors", FileBuilder().preamble(1000, 0));
  expect_refused("metadata keys", FileBuilder().preamble(0, ~std::uint64_t{0}));
  FileBuilder name;
  name.preamble(1, 0).put(std::uint64_t{1} << 60).put(std::uint64_t{0}).put(std::uint64_t{0});
  expect_refused("the name of a tensor", name);
  for (const GgufType type : {GgufType::kU64, GgufType::kString, GgufType::kArray}) {
    FileBuilder array;
    array.preamble(0, 1).text("k").put(GgufType::kArray).put(type).put(~std::uint64_t{0} / 4).put(std::uint64_t{0});
    expect_refused("truncated", array);
  }
}

TEST(Gguf, DeepArraysAndUnknownTypesAreRefused) {
  FileBuilder deep;
  deep.preamble(0, 1).text("k").put(GgufType::kArray);
  for (int i = 0; i < 5; ++i) deep.put(GgufType::kArray).put(std::uint64_t{1});
  expect_refused("nests arrays too deep", deep);
  expect_refused("unknown type 13", FileBuilder().preamble(0, 1).text("k").put(std::uint32_t{13}).data(8));
}

TEST(Gguf, TheSameNameTwiceIsRefused) {
  FileBuilder pairs;
  pairs.preamble(0, 2);
  for (int i = 0; i < 2; ++i) pairs.text("k").put(GgufType::kU8).put(std::uint8_t{1});
  expect_refused("\"k\" is there twice", pairs);
  expect_refused("\"a\" is there twice",
                 FileBuilder().preamble(2, 0).tensor("a", {8}, kF32, 0).tensor("a", {8}, kF32, 32).data(64));
}

TEST(Gguf, NamesTensorAndTypeThatItCannotUse) {
  expect_refused("\"a\" is of type IQ2_XXS", FileBuilder().preamble(1, 0).tensor("a", {256}, 16, 0).data(256),
                 ErrorCode::kUnsupported);
  expect_refused("\"a\" is of the unknown type 77", FileBuilder().preamble(1, 0).tensor("a", {256}, 77, 0).data(256));
}

TEST(Gguf, RefusesShapesThatDoNotFit) {
  expect_refused("rows of 100 elements, but q4_k comes in blocks of 256",
                 FileBuilder().preamble(1, 0).tensor("a", {100}, kQ4K, 0).data(256));
  expect_refused("5 dimensions", FileBuilder().preamble(1, 0).tensor("a", {1, 1, 1, 1, 1}, kF32, 0).data(32));
  const std::uint64_t large = std::uint64_t{1} << 40;
  expect_refused("size overflows", FileBuilder().preamble(1, 0).tensor("a", {large, large}, kF32, 0).data(32));
  expect_refused("a dimension of", FileBuilder().preamble(1, 0).tensor("a", {~std::uint64_t{0}}, kF32, 0).data(32));
}

TEST(Gguf, RefusesExtentsThatDoNotFit) {
  const auto two = [](std::uint64_t first, std::uint64_t second) {
    return FileBuilder().preamble(2, 0).tensor("a", {9}, kF32, first).tensor("b", {9}, kF32, second).data(100);
  };
  parse(two(0, 64).content());
  expect_refused("inside another that ends at 36", two(0, 32));
  expect_refused("inside another", two(0, 0));
  expect_refused("multiple of the alignment 32", two(0, 60));
  expect_refused("truncated", two(0, 96));
  expect_refused("truncated", two(0, ~std::uint64_t{0} - 31));
}

TEST(Gguf, TheAlignmentIsThatOfTheFile) {
  const auto aligned = [](std::uint32_t alignment) {
    FileBuilder file;
    file.preamble(1, 1).text("general.alignment").put(GgufType::kU32).put(alignment);
    return file.tensor("a", {9}, kF32, 0).data(36, 64);
  };
  const std::string content = aligned(64).content();
  EXPECT_EQ(parse(content).tensors[0].offset, content.size() - 36);
  for (const std::uint32_t wrong : {0U, 48U}) expect_refused("not a power of two", aligned(wrong));
  expect_refused("\"general.alignment\" is 64\\x1b[2J, not a power of two",
                 FileBuilder().preamble(0, 1).text("general.alignment").put(GgufType::kString).text("64\x1B[2J"));
}

TEST(Gguf, RestoresShapesThatWereFlattened) {
  const auto flattened = [](std::initializer_list<std::int32_t> shape) {
    FileBuilder file;
    file.preamble(1, 1).text("comfy.gguf.orig_shape.a").put(GgufType::kArray).put(GgufType::kI32);
    file.put(std::uint64_t{shape.size()});
    for (const std::int32_t extent : shape) file.put(extent);
    return file.tensor("a", {12}, kF32, 0).data(48);
  };
  EXPECT_EQ(parse(flattened({2, 1, 2, 3}).content()).tensors[0].shape, (std::vector<std::int64_t>{2, 1, 2, 3}));
  expect_refused("is not a shape of the tensor's 48 bytes", flattened({2, 3}));
  expect_refused("is not a shape", flattened({-2, -6}));
  expect_refused("is not a shape", flattened({}));
}

TEST(Gguf, EveryTypeHasItsNumberBack) {
  for (std::uint32_t number = 0; number < 64; ++number) {
    const auto dtype = dtype_of_gguf(number);
    if (dtype) {
      EXPECT_EQ(gguf_of_dtype(*dtype), number);
    }
  }
  EXPECT_EQ(gguf_of_dtype(DType::kNf4), std::nullopt);
}

}  // namespace
}  // namespace steadyflux
