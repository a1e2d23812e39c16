#include <gtest/gtest.h>

#include <filesystem>

#include "format/gguf.h"
#include "io/expect_error.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

class GgufWriteTest : public testing::Test {
 protected:
  static std::vector<std::byte> bytes(std::size_t count, unsigned char value) {
    return std::vector<std::byte>(count, std::byte{value});
  }

  TemporaryDir temporary_{"gguf_write"};
  const std::filesystem::path path_ = temporary_.path() / "w.gguf";
  const std::vector<TensorSpec> tensors_ = {
      {"bias", DType::kF32, {5}}, {"blocks", DType::kQ4K, {3, 256}}, {"plain", DType::kBF16, {2, 2, 1, 3}}};
  const std::map<std::string, GgufValue> metadata_ = {{"general.architecture", std::string("flux")},
                                                      {"general.file_type", std::uint64_t{14}},
                                                      {"large", std::uint64_t{1} << 40},
                                                      {"share", 0.5},
                                                      {"flag", true},
                                                      {"number", std::int64_t{-3}}};
};

TEST_F(GgufWriteTest, RoundTripsInPieces) {
  GgufWriter writer(path_, tensors_, metadata_);
  writer.write("bias", bytes(8, 1));
  writer.write("bias", bytes(12, 1));
  writer.write("blocks", bytes(3 * 144, 2));
  writer.write("plain", bytes(24, 3));
  writer.commit();
  const auto file = open_file(path_);
  const GgufHeader header = read_gguf_header(*file);
  ASSERT_EQ(header.tensors.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const TensorInfo& tensor = header.tensors[i];
    EXPECT_EQ(tensor.name, tensors_[i].name);
    EXPECT_EQ(tensor.dtype, tensors_[i].dtype);
    EXPECT_EQ(tensor.shape, tensors_[i].shape);
    EXPECT_EQ(tensor.offset % 32, 0U);
    std::vector<std::byte> content(tensor.num_bytes);
    file->read(tensor.offset, content);
    EXPECT_EQ(content, bytes(tensor.num_bytes, static_cast<unsigned char>(i + 1)));
  }
  EXPECT_EQ(file->size() % 32, 0U);
  for (const auto& [key, value] : metadata_) EXPECT_EQ(to_string(header.metadata.at(key)), to_string(value));
}

TEST_F(GgufWriteTest, AnUnfinishedFileNeverAppears) {
  {
    GgufWriter writer(path_, tensors_, metadata_);
    writer.write("bias", bytes(20, 1));
    expect_error(ErrorCode::kInternal, "432 bytes of tensor \"blocks\"", [&] { writer.commit(); });
    expect_error(ErrorCode::kInternal, "out of order", [&] { writer.write("plain", bytes(24, 3)); });
  }
  EXPECT_TRUE(std::filesystem::is_empty(temporary_.path()));
}

TEST_F(GgufWriteTest, RefusesWhatTheFormatCannotHold) {
  const auto refused = [&](std::string_view part, const std::vector<TensorSpec>& tensors) {
    expect_error(ErrorCode::kInvalidArgument, part, [&] { GgufWriter(path_, tensors, {}); });
  };
  refused("of type nf4", {{"a", DType::kNf4, {2, 64}}});
  refused("rank 5", {{"a", DType::kF32, {1, 1, 1, 1, 1}}});
  refused("negative", {{"a", DType::kF32, {-1, -1}}});
  refused("with rows of 100", {{"a", DType::kQ8_0, {2, 100}}});
  refused("is taken", {{"a", DType::kF32, {1}}, {"a", DType::kF32, {1}}});
  refused("overflowing", {{"a", DType::kF32, {std::int64_t{1} << 40, std::int64_t{1} << 40}}});
}

}  // namespace
}  // namespace steadyflux
