#include "pipeline/convert/convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>

#include "format/gguf.h"
#include "format/json.h"
#include "io/expect_error.h"
#include "io/file.h"
#include "pipeline/convert/weight_rows.h"
#include "pipeline/open_model.h"
#include "platform/temporary_dir.h"
#include "tensor/codec.h"

namespace steadyflux::convert {
namespace {

namespace fs = std::filesystem;

// Rows of 256, 1024 and 1280 elements in the transformer and 256 in T5: every type applies. Tests run in the source
// directory.
const fs::path kModel = "models/spark";

constexpr auto kAlways = [](std::uint64_t, std::uint64_t) { return true; };

class ConvertTest : public testing::Test {
 protected:
  ConvertOptions options(DType to, const std::string& out) const {
    ConvertOptions result;
    result.model = kModel;
    result.to = to;
    result.out = root_ / out;
    result.threads = 2;
    return result;
  }
  fs::path convert_to(DType to) const {
    const ConvertOptions asked = options(to, std::string(dtype_name(to)));
    convert(asked, kAlways);
    return asked.out;
  }

  static std::vector<float> values(const WeightIndex& index, std::string_view name) {
    const WeightEntry& entry = index.at(name);
    const std::int64_t rows = entry.shape.size() < 2 ? 1 : entry.shape[0];
    const std::int64_t row_length = entry.num_elements() / rows;
    std::vector<float> result(static_cast<std::size_t>(entry.num_elements()));
    WeightRows weight(index, name, rows, row_length);
    const Tensor tensor = weight.read(0, rows);
    for (std::int64_t row = 0; row < rows; ++row) {
      codec::decode_row(tensor, row, 0, row_length, result.data() + row * row_length);
    }
    return result;
  }

  static WeightIndex weights_of(std::string_view component) {
    for (const Component each : {Component::kTransformer, Component::kT5}) {
      if (component_name(each) == component) return open_model_dir(kModel).component_weights(each);
    }
    throw std::invalid_argument(std::string(component));
  }

  static WeightIndex transformer(const fs::path& model) {
    return open_model_dir(model).component_weights(Component::kTransformer);
  }

  std::set<std::string> names_in_root() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_)) names.insert(entry.path().filename().string());
    return names;
  }

  TemporaryDir temporary_{"convert_test"};
  const fs::path root_ = temporary_.path();
};

TEST_F(ConvertTest, EveryTypeGivesAModelThatOpens) {
  // A step of the type's codes is at most so much of a block's largest magnitude; weights are normally distributed, and
  // the largest of 32 to 256 of them is below 4 deviations: error / deviation < 4 * step / sqrt(12).
  constexpr double kAny = std::numeric_limits<double>::infinity();  // ErrorsOfI8AreThoseOfRounding is stricter
  const std::map<DType, double> bounds = {{DType::kF32, 0},
                                          {DType::kF16, 0.0005},
                                          {DType::kBF16, 0},
                                          {DType::kQ8_0, 4.0 / 127 / 3.4},
                                          {DType::kQ4_0, 4.0 / 8 / 3.4},
                                          {DType::kQ4_1, 8.0 / 15 / 3.4},
                                          {DType::kQ5_0, 4.0 / 16 / 3.4},
                                          {DType::kQ5_1, 8.0 / 31 / 3.4},
                                          {DType::kQ4K, 8.0 / 15 / 3.4},
                                          {DType::kQ5K, 8.0 / 31 / 3.4},
                                          {DType::kQ6K, 4.0 / 32 / 3.4},
                                          {DType::kNf4, 0.14},
                                          {DType::kFp4, 0.2},
                                          {DType::kI8, kAny}};
  for (const auto& [dtype, bound] : bounds) {
    SCOPED_TRACE(dtype_name(dtype));
    const ConvertOptions asked = options(dtype, std::string(dtype_name(dtype)));
    const Report report = convert(asked, kAlways);
    OpenModel model = open_model(asked.out);
    open_encoders(model);
    EXPECT_EQ(model.weights_dtype, dtype);
    EXPECT_EQ(model.t5_part.index->at("encoder.block.1.layer.0.SelfAttention.q.weight").dtype, dtype);
    for (const TensorResult& tensor : report.tensors) {
      EXPECT_LE(tensor.errors.relative_rms(), bound) << tensor.name;
      EXPECT_FALSE(tensor.fell_back) << tensor.name;
    }
  }
}

// i8 has one step for a whole row, of which an error is anything up to a half: error^2 is step^2 / 12 on average.
TEST_F(ConvertTest, ErrorsOfI8AreThoseOfRounding) {
  for (const TensorResult& tensor : convert(options(DType::kI8, "i8"), kAlways).tensors) {
    if (tensor.dtype != DType::kI8) continue;  // copied as it was
    const WeightIndex before = weights_of(tensor.component);
    const std::vector<float> weights = values(before, tensor.name);
    const auto row_length = static_cast<std::size_t>(before.at(tensor.name).shape.at(1));
    double squared_error = 0;
    double squared = 0;
    for (std::size_t row = 0; row < weights.size(); row += row_length) {
      double largest = 0;
      for (std::size_t i = row; i < row + row_length; ++i) {
        largest = std::max(largest, std::abs(static_cast<double>(weights[i])));
        squared += static_cast<double>(weights[i]) * weights[i];
      }
      squared_error += static_cast<double>(row_length) * (largest / 127) * (largest / 127) / 12;
    }
    const double expected = std::sqrt(squared_error / squared);
    EXPECT_NEAR(tensor.errors.relative_rms(), expected, 0.02 * expected) << tensor.name;
    EXPECT_FALSE(tensor.fell_back) << tensor.name;
  }
}

TEST_F(ConvertTest, WhatIsInTheFileIsWhatTheReportSays) {
  const ConvertOptions asked = options(DType::kQ4_0, "out");
  const Report report = convert(asked, kAlways);
  const WeightIndex before = transformer(kModel);
  const WeightIndex after = transformer(asked.out);
  const char* const name = "single_transformer_blocks.1.proj_out.weight";
  ErrorSums sums;
  const std::vector<float> old_values = values(before, name);
  const std::vector<float> new_values = values(after, name);
  for (std::size_t i = 0; i < old_values.size(); ++i) {
    const double error = static_cast<double>(new_values[i]) - old_values[i];
    sums.squared_error += error * error;
    sums.squared += static_cast<double>(old_values[i]) * old_values[i];
    sums.max_error = std::max(sums.max_error, std::abs(error));
  }
  const auto reported = std::find_if(report.tensors.begin(), report.tensors.end(), [](const TensorResult& tensor) {
    return tensor.name == "single_blocks.1.linear2.weight";
  });
  ASSERT_NE(reported, report.tensors.end());
  EXPECT_DOUBLE_EQ(reported->errors.max_error, sums.max_error);
  EXPECT_NEAR(reported->errors.relative_rms(), sums.relative_rms(), 1e-9);
  EXPECT_NE(report.to_text().find("largest errors:"), std::string::npos);
  const Json json = parse_json(report.to_json(), "report");
  EXPECT_EQ(json["tensors"].size(), report.tensors.size());
  EXPECT_EQ(json["worst"].size(), 5u);
}

TEST_F(ConvertTest, OnlyTheBlocksAreQuantised) {
  const WeightIndex before = transformer(kModel);
  for (const DType dtype : {DType::kQ8_0, DType::kNf4}) {
    const fs::path out = convert_to(dtype);
    const WeightIndex after = transformer(out);
    for (const auto& [name, entry] : after.entries()) {
      const bool matrix = entry.shape.size() == 2;
      const bool in_block = name.find("transformer_blocks.") != std::string::npos;
      const bool quantised = matrix && (in_block || (dtype == DType::kNf4 && name == "proj_out.weight"));
      EXPECT_EQ(is_quantised(entry.dtype), quantised) << name;
      if (quantised) continue;
      EXPECT_EQ(values(after, name), values(before, name)) << name;
    }
    EXPECT_EQ(read_whole_file(out / "vae/diffusion_pytorch_model.safetensors", 1 << 26),
              read_whole_file(kModel / "vae/diffusion_pytorch_model.safetensors", 1 << 26));
  }
}

TEST_F(ConvertTest, AQuantisedModelStaysTheSameWhenConvertedAgain) {
  for (const DType dtype : {DType::kQ4K, DType::kNf4, DType::kI8}) {
    ConvertOptions again = options(dtype, std::string(dtype_name(dtype)) + " again");
    again.model = convert_to(dtype);
    convert(again, kAlways);
    for (const auto& entry : fs::recursive_directory_iterator(again.model)) {
      if (!entry.is_regular_file()) continue;
      const fs::path other = again.out / fs::relative(entry.path(), again.model);
      EXPECT_EQ(read_whole_file(entry.path(), 1 << 26), read_whole_file(other, 1 << 26)) << other;
    }
  }
}

TEST_F(ConvertTest, TheWayBackHasTheDecodedValues) {
  ConvertOptions back = options(DType::kF32, "back");
  back.model = convert_to(DType::kQ6K);
  convert(back, kAlways);
  const WeightIndex quantised = transformer(back.model);
  const WeightIndex plain = transformer(back.out);
  for (const auto& [name, entry] : plain.entries()) {
    EXPECT_EQ(entry.dtype, DType::kF32);
    EXPECT_EQ(values(plain, name), values(quantised, name)) << name;
  }
}

TEST_F(ConvertTest, SingleFilesTakeTheTransformersPlace) {
  const FluxConfig expected = open_model(kModel).flux;
  for (const char* name : {"flux.gguf", "flux.safetensors"}) {
    const fs::path file = root_ / name;
    convert(options(file.extension() == ".gguf" ? DType::kQ5_0 : DType::kNf4, name), kAlways);
    const OpenModel model = open_model(kModel, {{Component::kTransformer, file}});
    EXPECT_EQ(model.name, "flux");
    EXPECT_EQ(model.flux.num_single_blocks, expected.num_single_blocks);
    EXPECT_EQ(model.flux.axes_dims_rope, expected.axes_dims_rope);
    EXPECT_EQ(model.flux.guidance_embeds, expected.guidance_embeds);
  }
  const GgufHeader header = read_gguf_header(*open_file(root_ / "flux.gguf"));
  EXPECT_EQ(to_string(header.metadata.at("general.architecture")), "flux");
  std::set<std::string> names;
  for (const TensorInfo& tensor : header.tensors) names.insert(tensor.name);
  EXPECT_TRUE(names.contains("double_blocks.0.img_attn.qkv.weight"));
  EXPECT_TRUE(names.contains("final_layer.adaLN_modulation.1.bias"));
  EXPECT_TRUE(names.contains("single_blocks.1.norm.query_norm.scale"));
}

TEST_F(ConvertTest, AModelOfReplacedPartsIsOneDirectory) {
  const fs::path file = root_ / "flux.gguf";
  convert(options(DType::kQ8_0, "flux.gguf"), kAlways);
  ConvertOptions asked = options(DType::kNf4, "out");
  asked.replaced[Component::kTransformer] = file;
  asked.components = {Component::kT5};
  convert(asked, kAlways);
  OpenModel model = open_model(asked.out);
  open_encoders(model);
  EXPECT_EQ(model.weights_dtype, DType::kQ8_0);
  EXPECT_EQ(model.flux.axes_dims_rope, open_model(kModel).flux.axes_dims_rope);
  EXPECT_TRUE(fs::exists(asked.out / "transformer/diffusion_pytorch_model.gguf"));
  const Json config = read_json(asked.out / "text_encoder_2/config.json");
  EXPECT_EQ(config["quantization_config"]["bnb_4bit_quant_type"], "nf4");
  EXPECT_EQ(config["quantization_config"]["llm_int8_skip_modules"].size(), 4u)
      << "two layers' wo, the table of tokens and that of positions";
}

TEST_F(ConvertTest, RulesChooseTypesByName) {
  ConvertOptions asked = options(DType::kQ4_0, "out");
  asked.rules = {parse_type_rule("transformer_blocks.*=q8_0"), parse_type_rule("*.bias=f32"),
                 parse_type_rule("transformer_blocks.1.attn.norm_*=f32"), parse_type_rule("x_embedder.weight=q8_0")};
  expect_error(ErrorCode::kInvalidArgument, "matches transformer_blocks.0.attn.norm_added_k.weight",
               [&] { convert(asked, kAlways); });
  asked.rules[0] = parse_type_rule("transformer_blocks.*.linear.weight=q8_0");
  convert(asked, kAlways);
  const WeightIndex index = transformer(asked.out);
  EXPECT_EQ(index.at("transformer_blocks.0.norm1.linear.weight").dtype, DType::kQ8_0);
  EXPECT_EQ(index.at("transformer_blocks.0.attn.to_q.weight").dtype, DType::kQ4_0);
  EXPECT_EQ(index.at("x_embedder.weight").dtype, DType::kQ8_0);
  EXPECT_EQ(index.at("single_transformer_blocks.0.norm.linear.weight").dtype, DType::kQ4_0);
}

TEST_F(ConvertTest, RowsThatAreNotWholeBlocksFallBack) {
  // 64 latent channels: no whole block of 256.
  ConvertOptions asked = options(DType::kQ4K, "out");
  asked.rules = {parse_type_rule("x_embedder.weight=q4_k")};
  const Report report = convert(asked, kAlways);
  EXPECT_EQ(transformer(asked.out).at("x_embedder.weight").dtype, DType::kQ8_0);
  EXPECT_NE(report.to_text().find("transformer img_in.weight is q8_0: its rows"), std::string::npos);
}

TEST_F(ConvertTest, TheNumberOfThreadsAndTheBudgetChangeNoByte) {
  ConvertOptions usual = options(DType::kNf4, "usual.safetensors");
  convert(usual, kAlways);
  ConvertOptions tight = options(DType::kNf4, "tight.safetensors");
  tight.threads = 5;
  tight.ram_bytes = 10 << 20;
  convert(tight, kAlways);
  EXPECT_EQ(read_whole_file(usual.out, 1 << 26), read_whole_file(tight.out, 1 << 26));
  tight.ram_bytes = 1 << 20;
  tight.out = root_ / "none.safetensors";
  expect_error(ErrorCode::kDoesNotFit, "more than 1.00 MiB", [&] { convert(tight, kAlways); });
}

TEST_F(ConvertTest, NothingIsLeftOfWhatIsEnded) {
  for (const char* out : {"out", "out.gguf"}) {
    int calls = 0;
    EXPECT_TRUE(
        convert(options(DType::kQ8_0, out), [&](std::uint64_t, std::uint64_t) { return ++calls < 20; }).cancelled);
    EXPECT_EQ(calls, 20);
  }
  EXPECT_TRUE(names_in_root().empty());
}

}  // namespace
}  // namespace steadyflux::convert
