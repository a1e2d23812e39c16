// Damaged, incomplete and hostile model directories: the file and the tensor or key are named, exit code 1, nothing
// written.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "e2e/workspace.h"

namespace steadyflux::e2e {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kFailure = 1;
constexpr const char* kTransformer = "transformer/diffusion_pytorch_model.safetensors";
constexpr const char* kTensor = "single_transformer_blocks.0.proj_mlp.weight";

class BadModelTest : public Workspace {
 protected:
  BadModelTest() : Workspace("bf16_weights") {}

  void expect_model_refused(std::initializer_list<std::string_view> needles) const {
    expect_refused(generate(), kFailure, needles);
    EXPECT_TRUE(files_out().empty());
  }

  // Runs with the transformer's header changed by `change`.
  void with_header(const std::function<void(Json&)>& change, std::initializer_list<std::string_view> needles) const {
    const TakenApart whole = take_apart(model() / kTransformer);
    TakenApart parts = whole;
    change(parts.header);
    put_together(model() / kTransformer, parts);
    expect_model_refused(needles);
    put_together(model() / kTransformer, whole);
  }

  void with_config(const char* file, const std::function<void(Json&)>& change,
                   std::initializer_list<std::string_view> needles) const {
    const std::string whole = read_text(model() / file);
    edit_json(model() / file, change);
    expect_model_refused(needles);
    write_text(model() / file, whole);
  }

  std::string path(const char* file) const { return (model() / file).string(); }
};

// ---- weights -------------------------------------------------------------------------------------------------------

TEST_F(BadModelTest, TruncatedWeightsAreRefusedWhereverTheyEnd) {
  const std::string whole = read_text(model() / kTransformer);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
    SCOPED_TRACE(size);
    write_text(model() / kTransformer, std::string_view(whole).substr(0, size));
    expect_model_refused({path(kTransformer)});
  }
}

TEST_F(BadModelTest, TrailingBytesAreRefused) {
  write_text(model() / kTransformer, read_text(model() / kTransformer) + "tail");
  expect_model_refused({path(kTransformer)});
}

// A flipped bit may leave a valid file (another letter of a name that is not used, a bit of a weight), so the outcome
// is either a refusal in words or a picture, never anything else.
TEST_F(BadModelTest, NoFlippedBitMakesItCrash) {
  const std::string whole = read_text(model() / kTransformer);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, whole.data(), sizeof header_bytes);
  constexpr std::size_t kNumPlaces = 60;
  std::size_t num_refused = 0;
  for (std::size_t i = 0; i < kNumPlaces; ++i) {
    // The length and its neighbours first, then spread over the header, then a few in the weights.
    const std::size_t place = i < 10                ? i
                              : i < kNumPlaces - 10 ? 10 + (i * 7919) % static_cast<std::size_t>(header_bytes)
                                                    : whole.size() - 1 - i * 31;
    SCOPED_TRACE(place);
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ (1 << (i % 8)));
    write_text(model() / kTransformer, damaged);
    const Outcome outcome = generate();
    if (outcome.exit_code == 0) {
      EXPECT_EQ(files_out(), std::vector<std::string>{"picture.png"});
      fs::remove(out() / "picture.png");
    } else {
      ++num_refused;
      expect_refused(outcome, kFailure, {});
      EXPECT_TRUE(files_out().empty());
    }
  }
  EXPECT_GE(num_refused, kNumPlaces / 2);
}

TEST_F(BadModelTest, HostileExtentsAreRefused) {
  const auto offsets = [](Json begin, Json end) {
    return [begin, end](Json& header) { header[kTensor]["data_offsets"] = {begin, end}; };
  };
  with_header(offsets(0, 16), {path(kTransformer), kTensor});                          // overlaps, wrong size
  with_header(offsets(-8, 0), {path(kTransformer), "data_offsets"});                   // negative
  with_header(offsets(16, 0), {path(kTransformer), kTensor});                          // ends before it begins
  with_header(offsets(1ull << 62, (1ull << 62) + 64), {path(kTransformer), kTensor});  // far outside
  with_header(offsets(~0ull - 7, ~0ull), {path(kTransformer), kTensor});               // at the edge of numbers
  with_header(offsets(1.5, 2.5), {path(kTransformer), "data_offsets"});                // fractions
  with_header([](Json& header) { header[kTensor].erase("data_offsets"); }, {path(kTransformer), kTensor});
  with_header([](Json& header) { header[kTensor]["data_offsets"] = "0"; }, {path(kTransformer), "data_offsets"});
}

TEST_F(BadModelTest, OverlappingTensorsAreRefused) {
  // Two tensors of one size on the same bytes; the bytes of one of them then belong to nobody.
  with_header(
      [](Json& header) {
        header["single_transformer_blocks.0.attn.to_q.weight"]["data_offsets"] =
            header["single_transformer_blocks.0.attn.to_k.weight"]["data_offsets"];
      },
      {path(kTransformer), "single_transformer_blocks.0.attn.to_"});
}

TEST_F(BadModelTest, HostileShapesAreRefused) {
  const auto shape = [](Json dims) { return [dims](Json& header) { header[kTensor]["shape"] = dims; }; };
  with_header(shape({-1, -1}), {path(kTransformer), "shape"});
  with_header(shape({1ll << 40, 1ll << 40}), {path(kTransformer), kTensor});
  with_header(shape({0, 0}), {path(kTransformer), kTensor});
  with_header(shape("big"), {path(kTransformer), "shape"});
}

TEST_F(BadModelTest, AWrongShapeOfTheRightSizeIsNamedWithBothShapes) {
  const TakenApart whole = take_apart(model() / kTransformer);
  const auto rows = whole.header[kTensor]["shape"][0].get<std::int64_t>();
  const auto columns = whole.header[kTensor]["shape"][1].get<std::int64_t>();
  ASSERT_NE(rows, columns);
  with_header(
      [&](Json& header) {
        header[kTensor]["shape"] = {columns, rows};
      },
      {"transformer", kTensor, std::to_string(rows), std::to_string(columns)});
}

TEST_F(BadModelTest, UnusableDtypesAreNamed) {
  with_header([](Json& header) { header[kTensor]["dtype"] = "F4_NEVER"; }, {path(kTransformer), kTensor, "F4_NEVER"});
  with_header([](Json& header) { header[kTensor]["dtype"] = 16; }, {path(kTransformer), "dtype"});
  // Known, of the same size, but no weight.
  with_header([](Json& header) { header[kTensor]["dtype"] = "I16"; }, {"transformer", kTensor});
}

TEST_F(BadModelTest, MissingTensorsAreNamed) {
  TakenApart parts = take_apart(model() / kTransformer);
  std::string last;
  for (const auto& [name, tensor] : parts.header.items()) {
    if (tensor.contains("data_offsets") && tensor["data_offsets"][1] == parts.data.size()) last = name;
  }
  ASSERT_NE(last, "");
  parts.data.resize(parts.header[last]["data_offsets"][0].get<std::size_t>());
  parts.header.erase(last);
  put_together(model() / kTransformer, parts);
  expect_model_refused({"transformer", last});
}

TEST_F(BadModelTest, UnknownTensorsAreNamedNotIgnored) {
  TakenApart parts = take_apart(model() / kTransformer);
  const std::string name = "single_transformer_blocks.0.proj_mlp.weight_scale";
  parts.header[name] = {{"dtype", "F32"}, {"shape", {1}}, {"data_offsets", {parts.data.size(), parts.data.size() + 4}}};
  parts.data += std::string(4, '\0');
  put_together(model() / kTransformer, parts);
  expect_model_refused({"transformer", name});
}

TEST_F(BadModelTest, EveryComponentIsCheckedBeforeAnyWork) {
  for (const char* file : {"vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors",
                           "text_encoder_2/model.safetensors"}) {
    SCOPED_TRACE(file);
    const std::string whole = read_text(model() / file);
    write_text(model() / file, std::string_view(whole).substr(0, whole.size() - 10));
    expect_model_refused({path(file)});
    fs::remove(model() / file);
    expect_model_refused({(model() / file).parent_path().string()});
    write_text(model() / file, whole);
  }
}

// ---- configurations ------------------------------------------------------------------------------------------------

TEST_F(BadModelTest, AbsentConfigurationsAreNamed) {
  for (const char* file : {"transformer/config.json", "vae/config.json", "text_encoder/config.json",
                           "text_encoder_2/config.json", "scheduler/scheduler_config.json"}) {
    SCOPED_TRACE(file);
    const std::string whole = read_text(model() / file);
    fs::remove(model() / file);
    expect_model_refused({path(file)});
    write_text(model() / file, whole);
  }
}

TEST_F(BadModelTest, ModelIndexMustNameWhatIsNeeded) {
  with_config("model_index.json", [](Json& json) { json.erase("vae"); }, {path("model_index.json"), "vae"});
  with_config("model_index.json", [](Json& json) { json.erase("_class_name"); },
              {path("model_index.json"), "_class_name"});
  with_config("model_index.json", [](Json& json) { json["_class_name"] = "StableDiffusionPipeline"; },
              {path("model_index.json"), "StableDiffusionPipeline", "FluxPipeline"});
  with_config("model_index.json",
              [](Json& json) {
                json["controlnet"] = {"diffusers", "FluxControlNetModel"};
              },
              {path("model_index.json"), "controlnet"});
}

TEST_F(BadModelTest, ConfigurationsThatAreNotJsonAreNamed) {
  for (const char* text : {"", "{", "[]", "{\"num_layers\": 1, \"num_layers\": 2}", "{\"a\": \"\xff\"}", "nul"}) {
    SCOPED_TRACE(text);
    write_text(model() / "transformer/config.json", text);
    expect_model_refused({path("transformer/config.json")});
  }
  write_text(model() / "transformer/config.json", std::string(100'000, '['));
  expect_model_refused({path("transformer/config.json")});
}

TEST_F(BadModelTest, RequiredKeysOfConfigurationsAreNamed) {
  with_config("vae/config.json", [](Json& json) { json.erase("shift_factor"); },
              {path("vae/config.json"), "shift_factor"});
  with_config("text_encoder_2/config.json", [](Json& json) { json.erase("feed_forward_proj"); },
              {path("text_encoder_2/config.json"), "feed_forward_proj"});
}

TEST_F(BadModelTest, WrongTypesInConfigurationsAreNamed) {
  with_config("transformer/config.json", [](Json& json) { json["num_layers"] = "one"; },
              {path("transformer/config.json"), "num_layers"});
  with_config("transformer/config.json", [](Json& json) { json["num_attention_heads"] = 2.5; },
              {path("transformer/config.json"), "num_attention_heads"});
  with_config("transformer/config.json", [](Json& json) { json["guidance_embeds"] = 1; },
              {path("transformer/config.json"), "guidance_embeds"});
  with_config("transformer/config.json", [](Json& json) { json["axes_dims_rope"] = 24; },
              {path("transformer/config.json"), "axes_dims_rope"});
  with_config("vae/config.json",
              [](Json& json) {
                json["block_out_channels"] = {4, "six", 8};
              },
              {path("vae/config.json"), "block_out_channels"});
  with_config("scheduler/scheduler_config.json", [](Json& json) { json["shift"] = true; },
              {path("scheduler/scheduler_config.json"), "shift"});
}

TEST_F(BadModelTest, AbsurdNumbersInConfigurationsAreNamed) {
  struct Absurd {
    const char* file;
    const char* key;
    Json value;
  };
  const std::vector<Absurd> cases = {
      {"transformer/config.json", "num_layers", -1},
      {"transformer/config.json", "num_single_layers", 1'000'000'000},
      {"transformer/config.json", "num_attention_heads", 1'000'000'000},
      {"transformer/config.json", "num_attention_heads", 0},
      {"transformer/config.json", "num_attention_heads", 1ull << 63},
      {"transformer/config.json", "num_attention_heads", 1e300},
      {"transformer/config.json", "attention_head_dim", -24},
      {"transformer/config.json", "axes_dims_rope", {8, 8}},
      {"transformer/config.json", "axes_dims_rope", {8, 8, 1'000'000}},
      {"transformer/config.json", "axes_dims_rope", {7, 8, 9}},
      {"transformer/config.json", "patch_size", 2},
      {"text_encoder/config.json", "num_hidden_layers", -3},
      {"text_encoder/config.json", "num_attention_heads", 7},
      {"text_encoder/config.json", "max_position_embeddings", 1'000'000'000},
      {"text_encoder_2/config.json", "relative_attention_num_buckets", 0},
      {"text_encoder_2/config.json", "num_layers", 1'000'000'000},
      {"vae/config.json", "norm_num_groups", 0},
      {"vae/config.json", "norm_num_groups", 5},
      {"vae/config.json", "layers_per_block", 1'000'000},
      {"vae/config.json", "latent_channels", -4},
      {"vae/config.json", "block_out_channels", Json::array()},
      {"scheduler/scheduler_config.json", "num_train_timesteps", 0},
      {"scheduler/scheduler_config.json", "base_image_seq_len", -256},
  };
  for (const Absurd& absurd : cases) {
    SCOPED_TRACE(std::string(absurd.file) + " " + absurd.key + " = " + absurd.value.dump());
    with_config(absurd.file, [&](Json& json) { json[absurd.key] = absurd.value; }, {path(absurd.file)});
  }
}

TEST_F(BadModelTest, WidthsThatDoNotMatchTheWeightsAreRefused) {
  with_config("transformer/config.json", [](Json& json) { json["num_attention_heads"] = 4000; }, {"transformer"});
  with_config("transformer/config.json", [](Json& json) { json["num_layers"] = 2; },
              {"transformer", "transformer_blocks.1."});
  with_config("transformer/config.json", [](Json& json) { json["num_single_layers"] = 0; },
              {"transformer", "single_transformer_blocks.0."});
  with_config("transformer/config.json", [](Json& json) { json["guidance_embeds"] = true; },
              {"transformer", "guidance_embedder"});
}

TEST_F(BadModelTest, UnknownDefaultsAreNamed) {
  write_text(model() / "steadyflux.json", R"({"hight": 64})");
  expect_model_refused({path("steadyflux.json"), "hight"});
}

// ---- tokenizers ----------------------------------------------------------------------------------------------------

TEST_F(BadModelTest, MissingTokenizersAreNamed) {
  fs::rename(model() / "tokenizer", root() / "tokenizer");
  expect_model_refused({path("tokenizer")});
  fs::rename(root() / "tokenizer", model() / "tokenizer");
  for (const char* file : {"vocab.json", "merges.txt"}) {
    SCOPED_TRACE(file);
    fs::rename(model() / "tokenizer" / file, root() / file);
    expect_model_refused({path("tokenizer"), file});
    fs::rename(root() / file, model() / "tokenizer" / file);
  }
  fs::remove(model() / "tokenizer_2/tokenizer.json");
  fs::remove(model() / "tokenizer_2/spiece.model");
  expect_model_refused({path("tokenizer_2"), "tokenizer.json"});
}

TEST_F(BadModelTest, BrokenTokenizersAreNamed) {
  const fs::path file = model() / "tokenizer_2/tokenizer.json";
  const std::string whole = read_text(file);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, whole.size() / 3, whole.size() - 2}) {
    SCOPED_TRACE(size);
    write_text(file, std::string_view(whole).substr(0, size));
    expect_model_refused({file.string()});
  }
  write_text(file, whole);
  with_config("tokenizer_2/tokenizer.json", [](Json& json) { json.erase("model"); }, {file.string(), "model"});
  with_config("tokenizer_2/tokenizer.json", [](Json& json) { json["model"]["vocab"] = 3; }, {file.string(), "vocab"});
  with_config("tokenizer_2/tokenizer.json", [](Json& json) { json["model"]["type"] = "WordPiece"; },
              {file.string(), "WordPiece"});
  with_config("tokenizer/vocab.json", [](Json& json) { json.begin().value() = -1; }, {path("tokenizer/vocab.json")});
  const std::string merges = read_text(model() / "tokenizer/merges.txt");
  write_text(model() / "tokenizer/merges.txt", merges + "one_word\n");
  expect_model_refused({path("tokenizer/merges.txt"), "one_word"});
}

TEST_F(BadModelTest, ATokenizerOfAnotherModelIsRefused) {
  // Every id lies beyond the embeddings.
  edit_json(model() / "tokenizer/vocab.json", [](Json& json) {
    for (auto& [token, id] : json.items()) id = id.get<int>() + 1'000'000'000;
  });
  expect_model_refused({path("tokenizer"), "do not belong together"});
}

class ShardedModelTest : public Workspace {
 protected:
  ShardedModelTest() : Workspace("guided_cfg_sharded") {}
};

TEST_F(ShardedModelTest, IndexAndShardsMustAgree) {
  const fs::path index = model() / "transformer/diffusion_pytorch_model.safetensors.index.json";
  const std::string whole = read_text(index);
  const std::string shard = "diffusion_pytorch_model-00002-of-00003.safetensors";
  const auto refused = [&](std::initializer_list<std::string_view> needles) {
    expect_refused(generate(), kFailure, needles);
    EXPECT_TRUE(files_out().empty());
    write_text(index, whole);
  };
  edit_json(index, [](Json& json) { json["weight_map"].begin().value() = "../../elsewhere.safetensors"; });
  refused({index.string(), "elsewhere"});
  edit_json(index, [](Json& json) { json["weight_map"].begin().value() = "gone.safetensors"; });
  refused({"gone.safetensors"});
  edit_json(index, [](Json& json) { json["weight_map"]["never.weight"] = json["weight_map"].begin().value(); });
  refused({index.string(), "never.weight"});
  edit_json(index, [](Json& json) { json.erase("weight_map"); });
  refused({index.string(), "weight_map"});
  fs::remove(model() / "transformer" / shard);
  refused({shard});
}

}  // namespace
}  // namespace steadyflux::e2e
