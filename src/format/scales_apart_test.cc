#include "format/scales_apart.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include "format/safetensors.h"
#include "format/weight_index.h"
#include "io/expect_error.h"
#include "platform/temporary_dir.h"
#include "tensor/codec.h"

namespace steadyflux {
namespace {

struct Content {
  DType dtype = DType::kU8;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

std::string bytes_of_all(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// A file with the weight "a" of [4, 192] elements in 12 blocks as bitsandbytes would write it, to be damaged.
class ScalesApartTest : public testing::Test {
 protected:
  void put_four_bit(DType dtype, bool nested) {
    name_ = std::string(dtype_name(dtype));
    tensors_["a.weight"] = {DType::kU8, {4 * 96, 1}, std::string(4 * 96, 'w')};
    tensors_["a.bias"] = {DType::kF32, {4}, std::string(16, 'b')};
    tensors_["a.weight.quant_map"] = {DType::kF32, {16}, bytes_of_all(codec::four_bit_codes(dtype))};
    tensors_["a.weight.absmax"] = {nested ? DType::kU8 : DType::kF32, {12}, std::string(nested ? 12 : 48, 's')};
    if (nested) {
      tensors_["a.weight.nested_absmax"] = {DType::kF32, {1}, "nest"};
      tensors_["a.weight.nested_quant_map"] = {DType::kF32, {256}, bytes_of_all(codec::nested_scale_codes())};
    }
    put_state(R"("quant_type": ")" + name_ + R"(", "blocksize": 64, "dtype": "bfloat16", "shape": [4, 192])" +
              (nested ? R"(, "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.25)" : ""));
  }
  void put_state(const std::string& content) {
    const std::string text = "{" + content + "}";
    tensors_["a.weight.quant_state.bitsandbytes__" + name_] = {
        DType::kU8, {static_cast<std::int64_t>(text.size())}, text};
  }

  WeightIndex open() {
    std::vector<TensorBytes> tensors;
    for (const auto& [name, content] : tensors_) {
      tensors.push_back({{name, content.dtype, content.shape}, std::as_bytes(std::span(content.bytes))});
    }
    write_safetensors(path_, tensors);
    return WeightIndex("test", {open_file(path_)});
  }
  void expect_refused(ErrorCode code, std::string_view part) {
    expect_error(code, part, [&] { open(); });
  }

  // What the file has there.
  static std::string read(const WeightIndex& index, const Extent& extent) {
    std::string bytes(extent.num_bytes, '\0');
    index.files()[extent.file]->read(extent.offset, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  TemporaryDir temporary_{"scales_apart"};
  const std::filesystem::path path_ = temporary_.path() / "w.safetensors";
  std::map<std::string, Content> tensors_;
  std::string name_;
};

TEST_F(ScalesApartTest, FourBitWeightsHaveTheirScales) {
  for (const DType dtype : {DType::kNf4, DType::kFp4}) {
    tensors_.clear();
    put_four_bit(dtype, false);
    const WeightIndex index = open();
    ASSERT_EQ(index.entries().size(), 2U) << "weight and bias";
    const WeightEntry& entry = index.at("a.weight");
    EXPECT_EQ(entry.dtype, dtype);
    EXPECT_EQ(entry.shape, (std::vector<std::int64_t>{4, 192}));
    EXPECT_EQ(read(index, entry.values), tensors_["a.weight"].bytes);
    EXPECT_EQ(read(index, entry.scales.values), tensors_["a.weight.absmax"].bytes);
    EXPECT_EQ(entry.scales.nested.num_bytes, 0U);
    EXPECT_EQ(index.total_bytes(), 4U * 96 + 48 + 16);
  }
}

TEST_F(ScalesApartTest, NestedScalesHaveTheirOwn) {
  put_four_bit(DType::kNf4, true);
  const WeightIndex index = open();
  const ScalesExtents& scales = index.at("a.weight").scales;
  EXPECT_EQ(read(index, scales.values), std::string(12, 's'));
  EXPECT_EQ(read(index, scales.nested), "nest");
  EXPECT_EQ(scales.offset, 0.25f);
}

TEST_F(ScalesApartTest, EachMissingTensorIsNamed) {
  put_four_bit(DType::kNf4, true);
  for (const char* name :
       {"a.weight.absmax", "a.weight.quant_map", "a.weight.nested_absmax", "a.weight.nested_quant_map"}) {
    const Content content = tensors_[name];
    tensors_.erase(name);
    expect_refused(ErrorCode::kInvalidFile, "\"a.weight\" has no \"" + std::string(name) + "\"");
    tensors_[name] = content;
  }
  tensors_.erase("a.weight");
  expect_refused(ErrorCode::kInvalidFile, "\"a.weight\" is not there");
}

TEST_F(ScalesApartTest, AnUnknownTensorOfAWeightIsRefused) {
  put_four_bit(DType::kNf4, false);
  tensors_["a.weight.zero_point"] = {DType::kF32, {1}, "zero"};
  expect_refused(ErrorCode::kUnsupported, "\"a.weight.zero_point\", which is not known");
}

TEST_F(ScalesApartTest, OtherCodesAreRefused) {
  put_four_bit(DType::kNf4, true);
  const auto change = [&](const char* name, std::size_t index) {
    std::vector<float> values(tensors_[name].bytes.size() / 4);
    std::memcpy(values.data(), tensors_[name].bytes.data(), tensors_[name].bytes.size());
    values[index] += 0.001f;
    tensors_[name].bytes = bytes_of_all(values);
  };
  change("a.weight.nested_quant_map", 200);
  expect_refused(ErrorCode::kUnsupported, "for the code 200");
  change("a.weight.quant_map", 3);
  expect_refused(ErrorCode::kUnsupported, "\"a.weight.quant_map\" gives");
}

TEST_F(ScalesApartTest, StatesOfAnotherKindAreRefused) {
  put_four_bit(DType::kNf4, false);
  const std::string sound = R"("quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [4, 192])";
  put_state(sound);
  EXPECT_NO_THROW(open());
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = sound;
    changed.replace(changed.find(from), from.size(), to);
    put_state(changed);
  };
  with("nf4", "fp4");
  expect_refused(ErrorCode::kUnsupported, "quant_type is \"fp4\"");
  with("64", "128");
  expect_refused(ErrorCode::kUnsupported, "blocksize is 128");
  with("[4, 192]", "[4, 2, 96]");
  expect_refused(ErrorCode::kUnsupported, "3 dimensions");
  with("[4, 192]", "[8, 96]");
  expect_refused(ErrorCode::kUnsupported, "rows of 96 elements, not whole blocks of 64");
  with("[4, 192]", "[8, 192]");
  expect_refused(ErrorCode::kInvalidFile, "takes 384 bytes of u8, but its state asks for 768");
  with("[4, 192]", "[4294967296, 4294967296]");
  expect_refused(ErrorCode::kInvalidFile, "outside 1 to");
  with("\"dtype\"", "\"type\"");
  expect_refused(ErrorCode::kUnsupported, "unknown key \"type\"");
  put_state(sound + R"(, "nested_blocksize": 128)");
  expect_refused(ErrorCode::kUnsupported, "nested_blocksize is 128");
  put_state(sound + R"(, "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 1e39)");
  expect_refused(ErrorCode::kInvalidFile, "nested_offset is 1e+39");
  put_state("nonsense");
  expect_refused(ErrorCode::kInvalidFile, "w.safetensors");
}

TEST_F(ScalesApartTest, ScalesOfAnotherTypeOrNumberAreRefused) {
  put_four_bit(DType::kNf4, false);
  tensors_["a.weight.absmax"] = {DType::kF32, {11}, std::string(44, 's')};
  expect_refused(ErrorCode::kInvalidFile, "has 11 elements of f32, not 12 of f32");
  tensors_["a.weight.absmax"] = {DType::kU8, {12}, std::string(12, 's')};
  expect_refused(ErrorCode::kInvalidFile, "12 elements of u8, not 12 of f32");
}

TEST_F(ScalesApartTest, RowsOfI8HaveAScaleEach) {
  tensors_["a.weight"] = {DType::kI8, {3, 5}, std::string(15, 'w')};
  tensors_["a.weight_scale"] = {DType::kF32, {3}, std::string(12, 's')};
  const WeightIndex index = open();
  ASSERT_EQ(index.entries().size(), 1U);
  EXPECT_EQ(index.at("a.weight").dtype, DType::kI8);
  EXPECT_EQ(read(index, index.at("a.weight").scales.values), std::string(12, 's'));
  tensors_["a.weight_scale"] = {DType::kF32, {1}, "scal"};
  expect_refused(ErrorCode::kInvalidFile, "has 1 elements of f32, not 3");
  tensors_["a.weight_scale"] = {DType::kBF16, {3}, "scales"};
  expect_refused(ErrorCode::kInvalidFile, "has 3 elements of bf16, not 3 of f32");
  tensors_["a.weight_scale"] = {DType::kF32, {15}, std::string(60, 's')};
  tensors_["a.weight"].shape = {15};
  expect_refused(ErrorCode::kInvalidFile, "w.safetensors: the quantised weight \"a.weight\" is of type i8, but not a");
}

TEST_F(ScalesApartTest, OtherScalesStayTensorsOfTheirOwn) {
  tensors_["a.weight"] = {DType::kBF16, {3, 5}, std::string(30, 'w')};
  tensors_["a.weight_scale"] = {DType::kF32, {3}, std::string(12, 's')};
  EXPECT_NE(open().find("a.weight_scale"), nullptr);
}

}  // namespace
}  // namespace steadyflux
