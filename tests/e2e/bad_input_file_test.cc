// Files that a request names: embeddings and latents that do not fit the model.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "e2e/workspace.h"

namespace steadyflux::e2e {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kFailure = 1;
constexpr int kBadUsage = 2;

class BadInputFileTest : public Workspace {
 protected:
  fs::path embeds() const { return root() / "embeds.safetensors"; }
  fs::path latents() const { return root() / "latents.safetensors"; }

  void encode() const {
    expect_done(run({"encode", "--model", model().string(), "--prompt", "A red Fox", "--max-sequence-length", "16",
                     "--out", embeds().string()}));
  }

  void expect_input_refused(const char* flag, const fs::path& file, std::initializer_list<std::string_view> needles,
                            int exit_code = kFailure) const {
    expect_refused(generate({flag, file.string()}), exit_code, needles);
    EXPECT_TRUE(files_out().empty());
  }
};

TEST_F(BadInputFileTest, EmbeddingsMustFitTheModel) {
  encode();
  const TakenApart whole = take_apart(embeds());
  const auto refused = [&](const char* name, const Json& shape, const char* needle) {
    SCOPED_TRACE(shape.dump());
    TakenApart parts = whole;
    parts.header[name]["shape"] = shape;
    put_together(embeds(), parts);
    expect_input_refused("--embeds", embeds(), {embeds().string(), needle});
  };
  const auto tokens = whole.header["prompt_embeds"]["shape"][1].get<std::int64_t>();
  const auto width = whole.header["prompt_embeds"]["shape"][2].get<std::int64_t>();
  const auto pooled_width = whole.header["pooled_prompt_embeds"]["shape"][1].get<std::int64_t>();
  refused("prompt_embeds", {1, width, tokens}, "prompt_embeds");
  refused("prompt_embeds", {tokens, width}, "prompt_embeds");
  refused("prompt_embeds", {tokens, 1, width}, "prompt_embeds");
  refused("prompt_embeds", {1, tokens * width, 1}, "prompt_embeds");
  refused("prompt_embeds", {-1, tokens, width}, "shape");
  refused("prompt_embeds", {1, 1ll << 60, width}, "prompt_embeds");
  refused("pooled_prompt_embeds", {pooled_width, 1}, "pooled_prompt_embeds");
  refused("pooled_prompt_embeds", {pooled_width}, "pooled_prompt_embeds");
}

TEST_F(BadInputFileTest, EmbeddingsMustBeThereAndOfAFloatType) {
  encode();
  const TakenApart whole = take_apart(embeds());
  TakenApart parts = whole;
  parts.header["prompt_embedding"] = parts.header["prompt_embeds"];
  parts.header.erase("prompt_embeds");
  put_together(embeds(), parts);
  expect_input_refused("--embeds", embeds(), {embeds().string(), "prompt_embeds"});
  parts = whole;
  parts.header["prompt_embeds"]["dtype"] = "I32";
  put_together(embeds(), parts);
  expect_input_refused("--embeds", embeds(), {embeds().string(), "prompt_embeds"});
  write_text(embeds(), std::string_view(read_text(embeds())).substr(0, 200));
  expect_input_refused("--embeds", embeds(), {embeds().string()});
  expect_input_refused("--embeds", root() / "gone.safetensors", {"gone.safetensors"});
  expect_input_refused("--embeds", root(), {root().string()});
}

TEST_F(BadInputFileTest, EmbeddingsReplaceThePrompt) {
  encode();
  expect_refused(generate({"--embeds", embeds().string(), "--prompt", "a"}), kBadUsage, {"embeddings", "prompt"});
  expect_refused(generate({"--embeds", embeds().string(), "--true-cfg", "2"}), kBadUsage,
                 {embeds().string(), "negative"});
  EXPECT_TRUE(files_out().empty());
}

TEST_F(BadInputFileTest, LatentsMustFitTheRequest) {
  expect_done(run(generate_arguments({"--out", (root() / "a.png").string(), "--latents-out", latents().string()})));
  const TakenApart whole = take_apart(latents());
  const Json shape = whole.header["latents"]["shape"];
  for (const Json& wrong : {Json{1, shape[2], shape[1]}, Json{shape[1], shape[2]}, Json{2, shape[1], shape[2]}}) {
    SCOPED_TRACE(wrong.dump());
    TakenApart parts = whole;
    parts.header["latents"]["shape"] = wrong;
    put_together(latents(), parts);
    expect_input_refused("--latents", latents(), {latents().string()});
  }
  put_together(latents(), whole);
  expect_refused(generate({"--latents", latents().string(), "--count", "2"}), kFailure,
                 {latents().string(), shape.size() == 3 ? "latents" : ""});
  expect_refused(generate({"--latents", latents().string(), "--size", "64x64"}), kFailure, {latents().string()});
  TakenApart renamed = whole;
  renamed.header["noise"] = renamed.header["latents"];
  renamed.header.erase("latents");
  put_together(latents(), renamed);
  expect_input_refused("--latents", latents(), {latents().string(), "latents"});
  expect_input_refused("--latents", root() / "gone.safetensors", {"gone.safetensors"});
}

}  // namespace
}  // namespace steadyflux::e2e
