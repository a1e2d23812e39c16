// What cannot be asked of a conversion.
#include "pipeline/convert/options.h"

#include <gtest/gtest.h>

#include <fstream>

#include "format/gguf.h"
#include "io/expect_error.h"
#include "io/file.h"
#include "pipeline/convert/convert.h"
#include "platform/temporary_dir.h"

namespace steadyflux::convert {
namespace {

namespace fs = std::filesystem;

// Tests run in the source directory.
const fs::path kModel = "models/spark";

constexpr auto kAlways = [](std::uint64_t, std::uint64_t) { return true; };

class ConvertOptionsTest : public testing::Test {
 protected:
  ConvertOptions options(DType to, const std::string& out) const {
    return {.model = kModel, .to = to, .out = root_ / out, .threads = 2};
  }
  static void refused(std::string_view part, const ConvertOptions& asked) {
    expect_error(ErrorCode::kInvalidArgument, part, [&] { convert(asked, kAlways); });
  }

  TemporaryDir temporary_{"convert_options_test"};
  const fs::path root_ = temporary_.path();
};

TEST_F(ConvertOptionsTest, RulesThatCannotBeFollowedAreRefused) {
  const auto refused_rule = [&](std::string_view part, const char* rule) {
    ConvertOptions asked = options(DType::kQ4_0, "out");
    asked.rules = {parse_type_rule(rule)};
    refused(part, asked);
  };
  refused_rule("matches no weight", "nothing.*=q8_0");
  refused_rule("a GGUF file has no such type", "*.to_q.weight=nf4");
  refused_rule("which would be of different types, q8_0 and q4_0", "*.to_q.weight=q8_0");
  expect_error(ErrorCode::kInvalidArgument, "write PATTERN=TYPE", [] { parse_type_rule("q8_0"); });
  expect_error(ErrorCode::kInvalidArgument, "'q2_k' is not a type to convert to", [] { parse_type_rule("*=q2_k"); });
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(ConvertOptionsTest, OptionsThatContradictEachOtherAreRefused) {
  refused("a GGUF file has no nf4", options(DType::kNf4, "out.gguf"));
  refused("a safetensors file has no q8_0", options(DType::kQ8_0, "out.safetensors"));
  ConvertOptions two = options(DType::kQ8_0, "out.gguf");
  two.components = {Component::kTransformer, Component::kT5};
  refused("holds one component", two);
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(ConvertOptionsTest, NothingIsOverwritten) {
  fs::create_directory(root_ / "there");
  for (const char* name : {"there/file", "flux.gguf"}) std::ofstream(root_ / name) << "content";
  fs::create_directory(root_ / "directory.gguf");
  for (const char* name : {"there", "there/file", "flux.gguf", "directory.gguf"}) {
    refused("is there already", options(DType::kQ8_0, name));
  }
  EXPECT_EQ(read_whole_file(root_ / "flux.gguf", 100), "content");
}

TEST_F(ConvertOptionsTest, TheModelStaysAsItIs) {
  ConvertOptions asked = options(DType::kBF16, "model/new");
  asked.model = root_ / "model";
  fs::copy(kModel, asked.model, fs::copy_options::recursive);
  refused("lies in the directory of the model", asked);
  asked.out = asked.model / "transformer" / "diffusion_pytorch_model.safetensors";
  refused("lies in the directory of the model", asked);
  asked.out = root_ / "other" / ".." / "model" / "new";
  refused("lies in the directory of the model", asked);
  asked.out = root_ / "model2";
  convert(asked, kAlways);
  EXPECT_TRUE(fs::exists(asked.out / "model_index.json"));
}

TEST_F(ConvertOptionsTest, WhatWouldHaveNoEffectIsRefused) {
  refused("is no place", ConvertOptions{.model = kModel});
  for (const DType dtype : {DType::kQ8_0, DType::kNf4, DType::kI8}) {
    ConvertOptions vae = options(dtype, "out");
    vae.components = {Component::kAutoencoder};
    refused("no weight of vae would become", vae);
  }
  const fs::path file = kModel / "vae/diffusion_pytorch_model.safetensors";
  ConvertOptions other = options(DType::kQ8_0, "out.gguf");
  other.replaced[Component::kAutoencoder] = file;
  refused("is taken for the vae, of which", other);
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(ConvertOptionsTest, EndingsAreKnownInCapitals) {
  convert(options(DType::kQ8_0, "flux.GGUF"), kAlways);
  EXPECT_TRUE(is_gguf(*open_file(root_ / "flux.GGUF")));
}

TEST(TypeRules, StarsStandForAnything) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("a*c*e", "abcde"));
  EXPECT_TRUE(matches("*.weight", "a.weight.b.weight"));
  EXPECT_FALSE(matches("a*c", "abcd"));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_TRUE(matches("a**", "a"));
}

}  // namespace
}  // namespace steadyflux::convert
