#include "format/dialect/dialect.h"

#include <set>

#include "io/expect_error.h"
#include "io/memory_file.h"

namespace steadyflux {
namespace {

using Shape = std::vector<std::int64_t>;

// An index of one file without tensors, to which entries can be given.
WeightIndex empty_index() {
  return WeightIndex("test", {std::make_shared<MemoryFile>("w.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10))});
}

// Bf16 tensors of these shapes, one after another.
WeightIndex index_of(std::initializer_list<std::pair<const char*, Shape>> tensors) {
  WeightEntries entries;
  std::uint64_t offset = 0;
  for (const auto& [name, shape] : tensors) {
    WeightEntry entry{DType::kBF16, shape, {0, offset, 0}};
    entry.values.num_bytes = static_cast<std::uint64_t>(entry.num_elements()) * 2;
    offset += entry.values.num_bytes;
    entries[name] = entry;
  }
  return empty_index().with_entries(std::move(entries));
}

std::set<std::string> names(const WeightIndex& index) {
  std::set<std::string> result;
  for (const auto& [name, entry] : index.entries()) result.insert(name);
  return result;
}

std::set<std::string> canonical_names(Component component, std::initializer_list<const char*> given) {
  WeightEntries entries;
  for (const char* name : given) entries[name] = {DType::kF32, {7 * 6}, {0, 0, 4 * 7 * 6}};
  return names(canonical(empty_index().with_entries(std::move(entries)), component));
}

TEST(Dialect, CanonicalNamesStayAsTheyAre) {
  const char* const name = "single_transformer_blocks.3.attn.norm_q.weight";
  EXPECT_EQ(canonical_names(Component::kTransformer, {name, "x_embedder.bias"}),
            (std::set<std::string>{name, "x_embedder.bias"}));
}

TEST(Dialect, TheFinalModulationIsTwoLayersInEitherOrder) {
  const auto diffusers = canonical(index_of({{"norm_out.linear.weight", {8, 4}}}), Component::kTransformer);
  EXPECT_EQ(diffusers.at("norm_out.scale.linear.weight").values, (Extent{0, 0, 32}));
  EXPECT_EQ(diffusers.at("norm_out.shift.linear.weight").values, (Extent{0, 32, 32}));
  EXPECT_EQ(diffusers.at("norm_out.shift.linear.weight").shape, (Shape{4, 4}));
  const auto bfl = canonical(index_of({{"final_layer.adaLN_modulation.1.weight", {8, 4}}}), Component::kTransformer);
  EXPECT_EQ(bfl.at("norm_out.shift.linear.weight").values, (Extent{0, 0, 32}));
  EXPECT_EQ(bfl.at("norm_out.scale.linear.weight").values, (Extent{0, 32, 32}));
}

TEST(Dialect, FusedLayersOfBflAreCutIntoRows) {
  const auto index = canonical(index_of({{"double_blocks.1.img_attn.qkv.weight", {12, 4}},
                                         {"single_blocks.0.linear1.bias", {28}},
                                         {"single_blocks.0.linear1.weight", {28, 4}}}),
                               Component::kTransformer);
  EXPECT_EQ(names(index),
            (std::set<std::string>{
                "single_transformer_blocks.0.attn.to_k.bias", "single_transformer_blocks.0.attn.to_k.weight",
                "single_transformer_blocks.0.attn.to_q.bias", "single_transformer_blocks.0.attn.to_q.weight",
                "single_transformer_blocks.0.attn.to_v.bias", "single_transformer_blocks.0.attn.to_v.weight",
                "single_transformer_blocks.0.proj_mlp.bias", "single_transformer_blocks.0.proj_mlp.weight",
                "transformer_blocks.1.attn.to_k.weight", "transformer_blocks.1.attn.to_q.weight",
                "transformer_blocks.1.attn.to_v.weight"}));
  EXPECT_EQ(index.at("transformer_blocks.1.attn.to_k.weight").values, (Extent{0, 32, 32}));
  const WeightEntry& mlp = index.at("single_transformer_blocks.0.proj_mlp.weight");
  EXPECT_EQ(mlp.shape, (Shape{16, 4}));
  EXPECT_EQ(mlp.values, (Extent{0, 96 + 56 + 12 * 4 * 2, 16 * 4 * 2}));
  EXPECT_EQ(index.at("single_transformer_blocks.0.proj_mlp.bias").values.num_bytes, 32U);
}

TEST(Dialect, AFusedLayerThatIsNoMultipleIsRefused) {
  expect_error(ErrorCode::kInvalidFile, "12 rows, which are not 7 equal parts", [] {
    canonical(index_of({{"single_blocks.0.linear1.bias", {12}}}), Component::kTransformer);
  });
}

TEST(Dialect, KnowsEveryNameOfBflsTransformer) {
  const auto names = canonical_names(Component::kTransformer, {"img_in.weight",
                                                               "txt_in.bias",
                                                               "time_in.in_layer.weight",
                                                               "time_in.out_layer.weight",
                                                               "vector_in.in_layer.weight",
                                                               "vector_in.out_layer.weight",
                                                               "guidance_in.in_layer.weight",
                                                               "guidance_in.out_layer.weight",
                                                               "final_layer.linear.weight",
                                                               "double_blocks.18.img_mod.lin.weight",
                                                               "double_blocks.18.txt_mod.lin.weight",
                                                               "double_blocks.18.img_attn.norm.query_norm.scale",
                                                               "double_blocks.18.txt_attn.norm.key_norm.scale",
                                                               "double_blocks.18.img_attn.proj.bias",
                                                               "double_blocks.18.txt_attn.proj.bias",
                                                               "double_blocks.18.img_mlp.0.weight",
                                                               "double_blocks.18.img_mlp.2.weight",
                                                               "double_blocks.18.txt_mlp.0.weight",
                                                               "double_blocks.18.txt_mlp.2.weight",
                                                               "single_blocks.37.modulation.lin.weight",
                                                               "single_blocks.37.linear2.weight",
                                                               "single_blocks.37.norm.query_norm.scale",
                                                               "single_blocks.37.norm.key_norm.scale"});
  EXPECT_EQ(names, (std::set<std::string>{"context_embedder.bias",
                                          "proj_out.weight",
                                          "single_transformer_blocks.37.attn.norm_k.weight",
                                          "single_transformer_blocks.37.attn.norm_q.weight",
                                          "single_transformer_blocks.37.norm.linear.weight",
                                          "single_transformer_blocks.37.proj_out.weight",
                                          "time_text_embed.guidance_embedder.linear_1.weight",
                                          "time_text_embed.guidance_embedder.linear_2.weight",
                                          "time_text_embed.text_embedder.linear_1.weight",
                                          "time_text_embed.text_embedder.linear_2.weight",
                                          "time_text_embed.timestep_embedder.linear_1.weight",
                                          "time_text_embed.timestep_embedder.linear_2.weight",
                                          "transformer_blocks.18.attn.norm_added_k.weight",
                                          "transformer_blocks.18.attn.norm_q.weight",
                                          "transformer_blocks.18.attn.to_add_out.bias",
                                          "transformer_blocks.18.attn.to_out.0.bias",
                                          "transformer_blocks.18.ff.net.0.proj.weight",
                                          "transformer_blocks.18.ff.net.2.weight",
                                          "transformer_blocks.18.ff_context.net.0.proj.weight",
                                          "transformer_blocks.18.ff_context.net.2.weight",
                                          "transformer_blocks.18.norm1.linear.weight",
                                          "transformer_blocks.18.norm1_context.linear.weight",
                                          "x_embedder.weight"}));
}

TEST(Dialect, UnknownNamesAreKept) {
  for (const char* name :
       {"double_blocks.0.img_attn.qkv.scale_weight", "double_blocks.x.img_mlp.0.weight", "scaled_fp8"}) {
    const std::set<std::string> found = canonical_names(Component::kTransformer, {name});
    EXPECT_FALSE(found.empty()) << name;
  }
  EXPECT_EQ(canonical_names(Component::kTransformer, {"double_blocks.0.img_mlp.1.weight"}),
            (std::set<std::string>{"double_blocks.0.img_mlp.1.weight"}));
}

TEST(Dialect, OfSeveralComponentsInAFileOneIsTaken) {
  const auto all = {"model.diffusion_model.img_in.weight",
                    "vae.decoder.conv_in.weight",
                    "text_encoders.clip_l.transformer.text_model.final_layer_norm.weight",
                    "text_encoders.clip_l.logit_scale",
                    "text_encoders.t5xxl.transformer.shared.weight",
                    "other"};
  EXPECT_EQ(canonical_names(Component::kTransformer, all), (std::set<std::string>{"other", "x_embedder.weight"}));
  EXPECT_EQ(canonical_names(Component::kAutoencoder, all), (std::set<std::string>{"decoder.conv_in.weight", "other"}));
  EXPECT_EQ(canonical_names(Component::kClip, all),
            (std::set<std::string>{"other", "text_model.final_layer_norm.weight"}));
  EXPECT_EQ(canonical_names(Component::kT5, all), (std::set<std::string>{"other", "shared.weight"}));
  EXPECT_EQ(canonical_names(Component::kAutoencoder, {"first_stage_model.decoder.norm_out.bias"}),
            (std::set<std::string>{"decoder.conv_norm_out.bias"}));
}

TEST(Dialect, TheSameWeightTwiceIsRefused) {
  expect_error(ErrorCode::kInvalidFile, "x_embedder.bias, which another tensor is too", [] {
    canonical(empty_index().with_entries(
                  {{"img_in.bias", {DType::kF32, {1}, {0, 0, 4}}}, {"x_embedder.bias", {DType::kF32, {1}, {0, 4, 4}}}}),
              Component::kTransformer);
  });
}

TEST(Dialect, Clip) {
  EXPECT_EQ(canonical_names(Component::kClip, {"embeddings.token_embedding.weight", "embeddings.position_ids",
                                               "encoder.layers.0.mlp.fc1.bias", "text_projection.weight"}),
            (std::set<std::string>{"text_model.embeddings.token_embedding.weight",
                                   "text_model.encoder.layers.0.mlp.fc1.bias"}));
}

TEST(Dialect, T5OfGguf) {
  EXPECT_EQ(
      canonical_names(Component::kT5,
                      {"token_embd.weight", "enc.output_norm.weight", "enc.blk.3.attn_q.weight",
                       "enc.blk.3.attn_k.weight", "enc.blk.3.attn_v.weight", "enc.blk.3.attn_o.weight",
                       "enc.blk.0.attn_rel_b.weight", "enc.blk.3.attn_norm.weight", "enc.blk.3.ffn_norm.weight",
                       "enc.blk.3.ffn_gate.weight", "enc.blk.3.ffn_up.weight", "enc.blk.3.ffn_down.weight"}),
      (std::set<std::string>{
          "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
          "encoder.block.3.layer.0.SelfAttention.k.weight", "encoder.block.3.layer.0.SelfAttention.o.weight",
          "encoder.block.3.layer.0.SelfAttention.q.weight", "encoder.block.3.layer.0.SelfAttention.v.weight",
          "encoder.block.3.layer.0.layer_norm.weight", "encoder.block.3.layer.1.DenseReluDense.wi_0.weight",
          "encoder.block.3.layer.1.DenseReluDense.wi_1.weight", "encoder.block.3.layer.1.DenseReluDense.wo.weight",
          "encoder.block.3.layer.1.layer_norm.weight", "encoder.final_layer_norm.weight", "shared.weight"}));
  EXPECT_TRUE(canonical_names(Component::kT5, {"encoder.embed_tokens.weight"}).empty());
}

TEST(Dialect, AutoencoderOfLatentDiffusion) {
  EXPECT_EQ(
      canonical_names(Component::kAutoencoder,
                      {"encoder.down.1.block.0.nin_shortcut.weight", "encoder.down.0.downsample.conv.bias",
                       "encoder.mid.attn_1.q.weight", "encoder.norm_out.weight", "decoder.up.3.block.2.conv1.weight",
                       "decoder.up.1.upsample.conv.weight", "decoder.mid.block_2.norm1.bias",
                       "decoder.mid.attn_1.proj_out.bias", "decoder.conv_in.weight"}),
      (std::set<std::string>{"decoder.conv_in.weight", "decoder.mid_block.attentions.0.to_out.0.bias",
                             "decoder.mid_block.resnets.1.norm1.bias", "decoder.up_blocks.0.resnets.2.conv1.weight",
                             "decoder.up_blocks.2.upsamplers.0.conv.weight", "encoder.conv_norm_out.weight",
                             "encoder.down_blocks.0.downsamplers.0.conv.bias",
                             "encoder.down_blocks.1.resnets.0.conv_shortcut.weight",
                             "encoder.mid_block.attentions.0.to_q.weight"}));
}

// ---- the way back --------------------------------------------------------------------------------------------------

// Writes canonical names in a dialect and reads them again.
void expect_round_trip(Component component, Dialect dialect, const std::vector<std::string>& given) {
  WeightEntries entries;
  for (const JoinedWeights& tensor : joined(given, component, dialect)) {
    entries[tensor.name] = {DType::kF32, {7 * 6}, {0, 0, 4 * 7 * 6}};
  }
  const WeightIndex index = canonical(empty_index().with_entries(std::move(entries)), component);
  EXPECT_EQ(names(index), std::set<std::string>(given.begin(), given.end()));
}

TEST(Dialect, WhatIsWrittenIsReadAgain) {
  std::vector<std::string> transformer = {"x_embedder.weight", "context_embedder.bias", "proj_out.weight"};
  for (const char* layer : {"norm_out.scale.linear", "norm_out.shift.linear", "time_text_embed.text_embedder.linear_2",
                            "transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.to_k",
                            "transformer_blocks.0.attn.to_v", "transformer_blocks.0.attn.to_add_out",
                            "transformer_blocks.0.ff.net.0.proj", "transformer_blocks.0.norm1_context.linear",
                            "single_transformer_blocks.0.attn.to_q", "single_transformer_blocks.0.attn.to_k",
                            "single_transformer_blocks.0.attn.to_v", "single_transformer_blocks.0.proj_mlp"}) {
    for (const char* leaf : {".weight", ".bias"}) transformer.push_back(std::string(layer) + leaf);
  }
  transformer.push_back("transformer_blocks.0.attn.norm_added_q.weight");
  transformer.push_back("single_transformer_blocks.0.attn.norm_k.weight");
  expect_round_trip(Component::kTransformer, Dialect::kGguf, transformer);
  expect_round_trip(Component::kTransformer, Dialect::kDiffusers, transformer);
  const std::vector<std::string> t5 = {"shared.weight", "encoder.block.1.layer.1.DenseReluDense.wo.weight",
                                       "encoder.final_layer_norm.weight"};
  expect_round_trip(Component::kT5, Dialect::kGguf, t5);
  expect_round_trip(Component::kT5, Dialect::kDiffusers, t5);
}

TEST(Dialect, FusedLayersAreWrittenInTheOrderOfTheirRows) {
  const std::vector<std::string> given = {"norm_out.scale.linear.bias", "norm_out.shift.linear.bias"};
  EXPECT_EQ(joined(given, Component::kTransformer, Dialect::kGguf)[0].parts,
            (std::vector<std::string>{"norm_out.shift.linear.bias", "norm_out.scale.linear.bias"}));
  EXPECT_EQ(joined(given, Component::kTransformer, Dialect::kDiffusers)[0].parts, given);
  const std::vector<std::string> half = {"norm_out.scale.linear.bias"};
  expect_error(ErrorCode::kInvalidArgument, "norm_out.linear.bias cannot be written without norm_out.shift.linear.bias",
               [&] { joined(half, Component::kTransformer, Dialect::kDiffusers); });
}

}  // namespace
}  // namespace steadyflux
