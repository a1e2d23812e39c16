#include "pipeline/bench/synthetic_checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>

#include "format/json.h"
#include "io/expect_error.h"
#include "io/file.h"
#include "pipeline/open_model.h"
#include "platform/temporary_dir.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::bench {
namespace {

namespace fs = std::filesystem;

// Two double and two single blocks; transformer and T5 in several files. Tests run in the source directory.
const fs::path kLike = "tests/golden/data/guided_cfg_sharded/model";

constexpr auto kAlways = [](std::uint64_t) { return true; };

class SyntheticCheckpointTest : public testing::Test {
 protected:
  SyntheticOptions options() const {
    SyntheticOptions options;
    options.like = kLike;
    options.out = temporary_.path() / "model";
    return options;
  }
  static void write(const SyntheticOptions& options) {
    ASSERT_TRUE(write_synthetic_checkpoint(plan_synthetic_checkpoint(options), kAlways));
  }

  TemporaryDir temporary_{"synthetic_checkpoint_test"};
};

// Tensor name → shape and file.
std::map<std::string, std::pair<std::vector<std::int64_t>, std::string>> listing(const WeightIndex& index) {
  std::map<std::string, std::pair<std::vector<std::int64_t>, std::string>> result;
  for (const auto& [name, entry] : index.entries()) {
    result[name] = {entry.shape, fs::path(index.file(entry).name()).filename().string()};
  }
  return result;
}

TEST_F(SyntheticCheckpointTest, AtFullDepthHasTheNamesShapesAndFilesOfTheModel) {
  write(options());
  const ModelDir like = open_model_dir(kLike);
  const ModelDir made = open_model_dir(options().out);
  for (const Component component :
       {Component::kTransformer, Component::kAutoencoder, Component::kClip, Component::kT5}) {
    EXPECT_EQ(listing(made.component_weights(component)), listing(like.component_weights(component)))
        << component_name(component);
  }
}

TEST_F(SyntheticCheckpointTest, CanHaveFewerAndMoreLayers) {
  SyntheticOptions changed = options();
  changed.double_blocks = 1;
  changed.single_blocks = 3;
  changed.t5_layers = 1;
  changed.clip_layers = 1;
  write(changed);
  OpenModel model = open_model(changed.out);
  open_encoders(model);
  EXPECT_EQ(model.flux.num_double_blocks, 1);
  EXPECT_EQ(model.flux.num_single_blocks, 3);
  EXPECT_EQ(model.t5->num_layers, 1);
  EXPECT_EQ(model.clip->num_layers, 1);
  EXPECT_EQ(model.denoise_part.index->files().size(), 2u) << "a model of several files stays one";
  EXPECT_EQ(model.t5_part.index->files().size(), 2u);
  EXPECT_EQ(model.decoder_part.index->files().size(), 1u);
}

TEST_F(SyntheticCheckpointTest, HasFilesOfTheSizeAskedFor) {
  SyntheticOptions small = options();
  small.shard_bytes = 100'000;
  write(small);
  const WeightIndex index = open_model_dir(small.out).component_weights(Component::kTransformer);
  EXPECT_GT(index.files().size(), 3u);
  for (const auto& file : index.files()) EXPECT_LE(file->size(), 100'000u + 20'000u) << "tensors and header";
}

TEST_F(SyntheticCheckpointTest, HasTheDtypeAskedFor) {
  EXPECT_EQ(options().dtype, DType::kBF16);
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    SyntheticOptions typed = options();
    typed.out = temporary_.path() / std::string(dtype_name(dtype));
    typed.dtype = dtype;
    write(typed);
    EXPECT_EQ(open_model(typed.out).weights_dtype, dtype);
  }
}

TEST_F(SyntheticCheckpointTest, SameSeedSameBytes) {
  const auto bytes = [this](const std::string& name, std::uint64_t seed) {
    SyntheticOptions seeded = options();
    seeded.out = temporary_.path() / name;
    seeded.seed = seed;
    write(seeded);
    return read_whole_file(seeded.out / "vae/diffusion_pytorch_model.safetensors", 1 << 24);
  };
  const std::string first = bytes("first", 5);
  EXPECT_TRUE(first == bytes("second", 5));
  EXPECT_FALSE(first == bytes("third", 6));
}

TEST_F(SyntheticCheckpointTest, MakesPictures) {
  write(options());
  Engine engine = Engine::open({.model = options().out.string(), .threads = 1});
  Request request;
  request.prompts = {"a cat"};
  request.width = 64;
  request.height = 64;
  request.steps = 2;
  request.seed = 1;
  request.max_sequence_length = 16;
  request.keep_latents = true;
  const Result result = engine.generate(request);
  ASSERT_EQ(result.images.size(), 1u);
  for (const float value : result.images[0].latents) ASSERT_TRUE(std::isfinite(value));
}

TEST_F(SyntheticCheckpointTest, OverwritesNothing) {
  fs::create_directories(options().out);
  const SyntheticCheckpoint checkpoint = plan_synthetic_checkpoint(options());
  std::ofstream(options().out / "precious") << "x";
  expect_error(ErrorCode::kInvalidArgument, "not empty", [&] { write_synthetic_checkpoint(checkpoint, kAlways); });
  fs::remove_all(options().out);
  std::ofstream(options().out) << "x";
  expect_error(ErrorCode::kInvalidArgument, "not a directory",
               [&] { write_synthetic_checkpoint(checkpoint, kAlways); });
}

TEST_F(SyntheticCheckpointTest, RefusesWhatTheDiskCannotHold) {
  SyntheticCheckpoint checkpoint = plan_synthetic_checkpoint(options());
  checkpoint.weights_bytes = std::uint64_t{1} << 60;
  expect_error(ErrorCode::kIo, "the disk has", [&] { write_synthetic_checkpoint(checkpoint, kAlways); });
  EXPECT_TRUE(fs::is_empty(options().out));
}

TEST_F(SyntheticCheckpointTest, AnEndedWriteLeavesNoModel) {
  const SyntheticCheckpoint checkpoint = plan_synthetic_checkpoint(options());
  EXPECT_FALSE(write_synthetic_checkpoint(
      checkpoint, [&](std::uint64_t written_bytes) { return written_bytes < checkpoint.weights_bytes / 2; }));
  expect_error(ErrorCode::kNotFound, "model_index.json", [&] { open_model(options().out); });
}

TEST_F(SyntheticCheckpointTest, RefusesLayersOfAnEncoderThatIsNotThere) {
  SyntheticOptions bare = options();
  bare.like = temporary_.path() / "bare";
  fs::copy(kLike, bare.like, fs::copy_options::recursive);
  Json index = read_json(kLike / "model_index.json");
  index["text_encoder_2"] = {nullptr, nullptr};
  std::ofstream(bare.like / "model_index.json") << index.dump();
  EXPECT_NO_THROW(plan_synthetic_checkpoint(bare));
  bare.t5_layers = 1;
  expect_error(ErrorCode::kInvalidArgument, "text_encoder_2", [&] { plan_synthetic_checkpoint(bare); });
}

TEST_F(SyntheticCheckpointTest, RefusesADepthThatIsNoModel) {
  SyntheticOptions negative = options();
  negative.double_blocks = -1;
  expect_error(ErrorCode::kInvalidFile, "num_layers", [&] { plan_synthetic_checkpoint(negative); });
}

}  // namespace
}  // namespace steadyflux::bench
