#include "format/weight_index.h"

#include <filesystem>

#include "format/gguf.h"
#include "format/safetensors.h"
#include "io/expect_error.h"
#include "io/memory_file.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

class WeightIndexTest : public testing::Test {
 protected:
  // A file of one-byte tensors with the given names.
  void put_shard(const std::string& file, std::initializer_list<const char*> names) {
    constexpr std::string_view kByte = "x";
    std::vector<TensorBytes> tensors;
    for (const char* name : names) tensors.push_back({{name, DType::kU8, {1}}, std::as_bytes(std::span(kByte))});
    write_safetensors(directory_ / file, tensors);
  }

  // A GGUF file of one tensor "a".
  void put_gguf(const std::string& file) {
    GgufWriter writer(directory_ / file, {{"a", DType::kQ8_0, {2, 32}}}, {});
    writer.write("a", std::vector<std::byte>(68));
    writer.commit();
  }

  void put_index(std::string_view weight_map) {
    AtomicFile file(directory_ / "model.safetensors.index.json");
    file.write(R"({"metadata": {"total_size": 3}, "weight_map": )");
    file.write(weight_map);
    file.write("}");
    file.commit();
  }

  WeightIndex open() { return WeightIndex::open(directory_, kTransformersStem); }

  void expect_refused(ErrorCode code, std::string_view part) {
    expect_error(code, part, [&] { open(); });
  }

  TemporaryDir temporary_{"weight_index"};
  const fs::path directory_ = temporary_.path();
};

TEST_F(WeightIndexTest, OpensASingleFile) {
  put_shard("model.safetensors", {"a", "b"});
  put_index(R"({"a": "elsewhere.safetensors"})");
  const WeightIndex index = open();
  EXPECT_EQ(index.files().size(), 1U);
  EXPECT_EQ(index.total_bytes(), 2U);
  EXPECT_EQ(index.at("b").dtype, DType::kU8);
  EXPECT_EQ(index.find("c"), nullptr);
  EXPECT_EQ(index.component(), directory_.string());
}

TEST_F(WeightIndexTest, OpensShards) {
  put_shard("model-1.safetensors", {"a", "b"});
  put_shard("model-2.safetensors", {"c", "unlisted"});
  put_index(R"({"a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors"})");
  const WeightIndex index = open();
  EXPECT_EQ(index.entries().size(), 4U);
  EXPECT_EQ(index.file(index.at("a")).name(), (directory_ / "model-1.safetensors").string());
  EXPECT_EQ(index.file(index.at("c")).name(), (directory_ / "model-2.safetensors").string());
  EXPECT_NE(index.find("unlisted"), nullptr);
  std::byte byte = {};
  index.file(index.at("c")).read(index.at("c").values.offset, std::span(&byte, 1));
  EXPECT_EQ(byte, std::byte{'x'});
}

TEST_F(WeightIndexTest, OpensShardsWhoseIndexListsScales) {
  const std::string codes(6, 'c');
  const std::string scales(8, 's');
  const std::vector<TensorBytes> first = {{{"a.weight", DType::kI8, {2, 3}}, std::as_bytes(std::span(codes))}};
  const std::vector<TensorBytes> second = {{{"a.weight_scale", DType::kF32, {2}}, std::as_bytes(std::span(scales))}};
  write_safetensors(directory_ / "model-1.safetensors", first);
  write_safetensors(directory_ / "model-2.safetensors", second);
  put_index(R"({"a.weight": "model-1.safetensors", "a.weight_scale": "model-2.safetensors"})");
  const WeightIndex index = open();
  EXPECT_EQ(index.entries().size(), 1U);
  EXPECT_EQ(index.total_bytes(), 14U);
  put_index(R"({"a.weight": "model-1.safetensors", "a.weight_scale": "model-1.safetensors"})");
  expect_refused(ErrorCode::kInvalidFile, "a.weight_scale");
}

TEST_F(WeightIndexTest, OpensTheOnlyGgufWhereThereAreNoSafetensors) {
  put_gguf("flux-Q8_0.gguf");
  const WeightIndex index = open();
  EXPECT_EQ(index.at("a").dtype, DType::kQ8_0);
  EXPECT_EQ(index.at("a").shape, (std::vector<std::int64_t>{2, 32}));
  EXPECT_EQ(index.total_bytes(), 68U);
  put_gguf("flux-Q4_0.gguf");
  expect_refused(ErrorCode::kInvalidFile, "several GGUF files, among them flux-Q4_0.gguf and flux-Q8_0.gguf");
  put_shard("model.safetensors", {"b"});
  EXPECT_NE(open().find("b"), nullptr);
}

TEST_F(WeightIndexTest, TellsContainersByTheirContent) {
  put_gguf("model.safetensors");
  EXPECT_EQ(open().at("a").dtype, DType::kQ8_0);
}

TEST_F(WeightIndexTest, AMissingTensorIsNamedWithItsNeighbours) {
  put_shard("model.safetensors",
            {"blocks.0.to_q.weight", "blocks.0.to_k.weight", "blocks.1.to_q.weight", "proj_out.bias"});
  const WeightIndex index = open();
  expect_error(ErrorCode::kNotFound, "\"blocks.0.to_q.wieght\"; the nearest names are: blocks.0.to_q.weight, ",
               [&] { index.at("blocks.0.to_q.wieght"); });
  expect_error(ErrorCode::kNotFound, directory_.string(), [&] { index.at(""); });
}

TEST_F(WeightIndexTest, NothingThereIsNotFound) {
  expect_refused(ErrorCode::kNotFound, "neither model.safetensors nor model.safetensors.index.json nor a *.gguf");
}

TEST_F(WeightIndexTest, AMissingShardIsNotFound) {
  put_index(R"({"a": "model-1.safetensors"})");
  expect_refused(ErrorCode::kNotFound, "model-1.safetensors");
}

TEST_F(WeightIndexTest, ATensorMustBeInTheShardThatIsNamed) {
  put_shard("model-1.safetensors", {"a"});
  put_shard("model-2.safetensors", {"b"});
  put_index(R"({"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors"})");
  expect_refused(ErrorCode::kInvalidFile, "\"c\" is in model-2.safetensors, where it is not");
  put_index(R"({"a": "model-2.safetensors", "b": "model-1.safetensors"})");
  expect_refused(ErrorCode::kInvalidFile, "where it is not");
}

TEST_F(WeightIndexTest, ANameInTwoShardsIsRefused) {
  put_shard("model-1.safetensors", {"a", "b"});
  put_shard("model-2.safetensors", {"b"});
  put_index(R"({"a": "model-1.safetensors", "b": "model-2.safetensors"})");
  expect_refused(ErrorCode::kInvalidFile, "\"b\" is in both");
}

TEST_F(WeightIndexTest, ShardsOutsideTheDirectoryAreRefused) {
  put_shard("model-1.safetensors", {"a"});
  for (const char* shard : {"../model-1.safetensors", "/etc/model.safetensors", "sub/model.safetensors", "..", ".", "",
                            "a\\\\b.safetensors", "a\\u0000.safetensors"}) {
    put_index("{\"a\": \"" + std::string(shard) + "\"}");
    expect_refused(ErrorCode::kInvalidFile, "not a file beside it");
  }
  put_index(R"({"a": "model.bin"})");
  expect_refused(ErrorCode::kUnsupported, "model.bin");
}

TEST_F(WeightIndexTest, AnIndexOfAnotherFormIsRefused) {
  for (const char* weight_map : {"[]", "{}", R"({"a": 1})", "3"}) {
    put_index(weight_map);
    expect_refused(ErrorCode::kInvalidFile, "model.safetensors.index.json");
  }
  put_index("null");
  expect_refused(ErrorCode::kNotFound, "weight_map");
}

TEST(WeightIndex, TakesFilesFromAnywhere) {
  const auto file = std::make_shared<MemoryFile>("memory", std::string("\2\0\0\0\0\0\0\0{}", 10));
  const WeightIndex index("vae", {file});
  EXPECT_TRUE(index.entries().empty());
  expect_error(ErrorCode::kNotFound, "vae has no tensor \"a\"", [&] { index.at("a"); });
}

}  // namespace
}  // namespace steadyflux
