#include "format/model_dir.h"

#include <filesystem>
#include <fstream>

#include "io/expect_error.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kParts =
    R"("scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"], "vae": ["diffusers", "AutoencoderKL"],)"
    R"("transformer": ["diffusers", "FluxTransformer2DModel"])";

class ModelDirTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* part : {"scheduler", "vae", "transformer"}) fs::create_directories(root_ / part);
    put_index("FluxPipeline", std::string(kParts));
  }

  void put(const fs::path& path, std::string_view text) { std::ofstream(root_ / path) << text; }
  void put_index(std::string_view pipeline, const std::string& parts) {
    put("model_index.json", "{\"_class_name\": \"" + std::string(pipeline) + "\", " + parts + "}");
  }
  void expect_refused(ErrorCode code, std::string_view part) {
    expect_error(code, part, [&] { open_model_dir(root_); });
  }

  TemporaryDir temporary_{"model_dir"};
  const fs::path root_ = temporary_.path();
};

TEST_F(ModelDirTest, FindsComponents) {
  const ModelDir model = open_model_dir(root_);
  EXPECT_EQ(model.components.size(), 3U);
  const auto& [library, class_name] = model.components.at("vae");
  EXPECT_EQ(library, "diffusers");
  EXPECT_EQ(class_name, "AutoencoderKL");
  EXPECT_EQ(model.component_dir("vae"), root_ / "vae");
  EXPECT_FALSE(model.has("text_encoder"));
  EXPECT_FALSE(model.defaults.width.has_value());
  expect_error(ErrorCode::kNotFound, "\"text_encoder\"", [&] { model.component_dir("text_encoder"); });
}

TEST_F(ModelDirTest, ReadsComponentConfigsAndWeights) {
  put("vae/config.json", R"({"latent_channels": 16})");
  put("scheduler/scheduler_config.json", R"({"shift": 3.0})");
  put("vae/diffusion_pytorch_model.safetensors", std::string_view("\2\0\0\0\0\0\0\0{}", 10));
  const ModelDir model = open_model_dir(root_);
  EXPECT_EQ(model.component_config("vae").require_int("latent_channels"), 16);
  EXPECT_EQ(model.component_config("scheduler").require_float("shift"), 3.0);
  EXPECT_TRUE(model.component_weights(Component::kAutoencoder).entries().empty());
  expect_error(ErrorCode::kNotFound, "transformer/config.json", [&] { model.component_config("transformer"); });
}

TEST_F(ModelDirTest, AFileTakesThePlaceOfWeights) {
  fs::remove_all(root_ / "transformer");
  expect_refused(ErrorCode::kNotFound, "transformer is missing");
  const fs::path file = root_ / "elsewhere.safetensors";
  put("elsewhere.safetensors", std::string_view("\2\0\0\0\0\0\0\0{}", 10));
  const ModelDir model = open_model_dir(root_, {{Component::kTransformer, file}});
  EXPECT_EQ(model.component_weights(Component::kTransformer).component(), file.string());
  EXPECT_EQ(model.component_places("transformer"), std::vector<fs::path>{file});
  EXPECT_EQ(model.component_places("vae"), std::vector<fs::path>{root_ / "vae"});
  fs::create_directory(root_ / "transformer");
  put("transformer/config.json", "{}");
  EXPECT_EQ(model.component_places("transformer"), (std::vector<fs::path>{file, root_ / "transformer/config.json"}));
  expect_error(ErrorCode::kInvalidArgument, "names no text_encoder", [&] {
    open_model_dir(root_, {{Component::kClip, file}});
  });
}

TEST_F(ModelDirTest, NullComponentsAreLeftOut) {
  put_index("FluxPipeline", std::string(kParts) + R"(, "text_encoder": [null, null], "tokenizer": null)");
  EXPECT_EQ(open_model_dir(root_).components.size(), 3U);
}

TEST_F(ModelDirTest, AComponentThatIsNotUsedMayBeAnything) {
  put_index("FluxPipeline",
            std::string(kParts) + R"(, "image_encoder": ["transformers", "CLIPVisionModelWithProjection"])");
  EXPECT_TRUE(open_model_dir(root_).has("image_encoder"));
}

TEST_F(ModelDirTest, OtherPipelinesAndClassesAreNamed) {
  put_index("StableDiffusionXLPipeline", std::string(kParts));
  expect_refused(ErrorCode::kUnsupported, "StableDiffusionXLPipeline");
  put_index("FluxPipeline", std::string(kParts) + R"(, "text_encoder": ["transformers", "BertModel"])");
  expect_refused(ErrorCode::kUnsupported, "the text_encoder is a BertModel; supported is CLIPTextModel");
  put_index("FluxPipeline", std::string(kParts) + R"(, "prior": ["diffusers", "Prior"])");
  expect_refused(ErrorCode::kUnsupported, "\"prior\"");
}

TEST_F(ModelDirTest, MissingPartsAreNamed) {
  put_index("FluxPipeline", R"("vae": ["diffusers", "AutoencoderKL"])");
  expect_refused(ErrorCode::kNotFound, "names no transformer");
  put_index("FluxPipeline", std::string(kParts) + R"(, "text_encoder": ["transformers", "CLIPTextModel"])");
  expect_refused(ErrorCode::kNotFound, "text_encoder");
  fs::remove(root_ / "model_index.json");
  expect_refused(ErrorCode::kNotFound, "no model_index.json");
}

TEST_F(ModelDirTest, IndexesOfAnotherFormAreRefused) {
  for (const char* part :
       {R"("tokenizer": 1)", R"("tokenizer": [])", R"("tokenizer": ["a"])", R"("tokenizer": ["a", null])",
        R"("tokenizer": ["a", "b", "c"])", R"("tokenizer": [1, 2])"}) {
    put_index("FluxPipeline", std::string(kParts) + ", " + part);
    expect_refused(ErrorCode::kInvalidFile, "\"tokenizer\"");
  }
  put("model_index.json", "{}");
  expect_refused(ErrorCode::kNotFound, "_class_name");
}

TEST_F(ModelDirTest, ReadsDefaults) {
  put("steadyflux.json", R"({"width": 256, "height": 128, "steps": 8, "guidance": 2.5, "max_sequence_length": 64})");
  const ModelDefaults defaults = open_model_dir(root_).defaults;
  EXPECT_EQ(defaults.width, 256);
  EXPECT_EQ(defaults.height, 128);
  EXPECT_EQ(defaults.steps, 8);
  EXPECT_EQ(defaults.guidance, 2.5);
  EXPECT_EQ(defaults.max_sequence_length, 64);
}

TEST_F(ModelDirTest, WrongDefaultsAreRefused) {
  for (const char* text : {R"({"width": -256})", R"({"steps": 0})", R"({"steps": "4"})",
                           R"({"max_sequence_length": 513})", R"({"guidance": true})", R"({"colour": 1})", "[]"}) {
    put("steadyflux.json", text);
    expect_refused(ErrorCode::kInvalidFile, "steadyflux.json");
  }
}

}  // namespace
}  // namespace steadyflux
