#include <array>
#include <filesystem>

#include "format/safetensors.h"
#include "io/expect_error.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

class SafetensorsWrite : public testing::Test {
 protected:
  TemporaryDir temporary_{"safetensors_write"};
  const fs::path directory_ = temporary_.path();
  const fs::path path_ = directory_ / "w.safetensors";
};

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST_F(SafetensorsWrite, RoundTripsInPieces) {
  SafetensorsWriter writer(path_,
                           {{"second", DType::kF32, {2, 1}}, {"none", DType::kBF16, {0}}, {"first", DType::kU8, {3}}},
                           {{"key", "caf\xC3\xA9"}});
  writer.write("second", bytes_of("1234"));
  writer.write("second", bytes_of("5678"));
  EXPECT_FALSE(fs::exists(path_));
  writer.write("first", bytes_of("abc"));
  writer.commit();

  const auto file = open_file(path_);
  const SafetensorsHeader header = read_safetensors_header(*file);
  EXPECT_EQ(header.metadata, (std::map<std::string, std::string>{{"key", "caf\xC3\xA9"}}));
  ASSERT_EQ(header.tensors.size(), 3U);
  EXPECT_EQ(header.tensors[0].name, "second");
  EXPECT_EQ(header.tensors[0].shape, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(header.tensors[0].offset % 8, 0U);
  EXPECT_EQ(header.tensors[1].name, "none");
  EXPECT_EQ(header.tensors[2].dtype, DType::kU8);
  std::string data(11, ' ');
  file->read(header.tensors[0].offset, std::as_writable_bytes(std::span(data)));
  EXPECT_EQ(data, "12345678abc");
}

TEST_F(SafetensorsWrite, WritesAllAtOnce) {
  const std::array<TensorBytes, 2> tensors = {
      {{{"a", DType::kI32, {}}, bytes_of("abcd")}, {{"b", DType::kBool, {2}}, bytes_of("xy")}}};
  write_safetensors(path_, tensors);
  EXPECT_EQ(read_safetensors_header(*open_file(path_)).tensors.size(), 2U);
  write_safetensors(path_, {});
  EXPECT_TRUE(read_safetensors_header(*open_file(path_)).tensors.empty());
}

TEST_F(SafetensorsWrite, EveryDtypeCanBeReadBack) {
  const std::string zeros(8, '\0');
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kI8, DType::kU8, DType::kI32,
                            DType::kI64, DType::kBool}) {
    const TensorBytes tensor = {{"t", dtype, {}}, bytes_of(zeros).first(dtype_bytes(dtype))};
    write_safetensors(path_, std::span(&tensor, 1));
    EXPECT_EQ(read_safetensors_header(*open_file(path_)).tensors.at(0).dtype, dtype);
  }
}

TEST_F(SafetensorsWrite, AnUnfinishedFileNeverAppears) {
  {
    SafetensorsWriter writer(path_, {{"a", DType::kU8, {4}}});
    writer.write("a", bytes_of("123"));
    expect_error(ErrorCode::kInternal, "1 bytes of tensor \"a\" were not written", [&] { writer.commit(); });
  }
  EXPECT_TRUE(fs::is_empty(directory_));
}

TEST_F(SafetensorsWrite, TheOrderIsKept) {
  SafetensorsWriter writer(path_, {{"a", DType::kU8, {1}}, {"b", DType::kU8, {1}}});
  expect_error(ErrorCode::kInternal, "out of order", [&] { writer.write("b", bytes_of("x")); });
  expect_error(ErrorCode::kInternal, "too many", [&] { writer.write("a", bytes_of("xx")); });
}

TEST_F(SafetensorsWrite, RefusesNamesAndShapesThatCannotBe) {
  const auto refused = [&](std::string_view part, std::vector<TensorSpec> tensors) {
    expect_error(ErrorCode::kInvalidArgument, part, [&] { SafetensorsWriter writer(path_, std::move(tensors)); });
  };
  refused("taken", {{"a", DType::kU8, {1}}, {"a", DType::kU8, {1}}});
  refused("taken", {{"__metadata__", DType::kU8, {1}}});
  refused("overflowing", {{"a", DType::kF32, {1L << 32, 1L << 32}}});
  refused("negative", {{"a", DType::kF32, {-1}}});
  refused("too many bytes", {{"a", DType::kU8, {INT64_MAX}}, {"b", DType::kU8, {INT64_MAX}}, {"c", DType::kU8, {2}}});
  refused("cannot hold the tensor \"a\" of type q8_0", {{"a", DType::kQ8_0, {32}}});
  refused("not UTF-8", {{"\xFF", DType::kU8, {1}}});
  EXPECT_TRUE(fs::is_empty(directory_));
}

TEST_F(SafetensorsWrite, AMissingDirectoryIsNamed) {
  expect_error(ErrorCode::kIo, "absent", [&] { write_safetensors(directory_ / "absent" / "w.safetensors", {}); });
}

}  // namespace
}  // namespace steadyflux
