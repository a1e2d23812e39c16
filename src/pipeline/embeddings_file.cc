#include "pipeline/embeddings_file.h"

#include <array>
#include <cstring>

#include "base/bf16.h"
#include "base/error.h"
#include "base/half.h"
#include "format/safetensors.h"
#include "io/file.h"

namespace steadyflux {
namespace {

// The most elements an input tensor may have: far above any embedding or latent, far below what would exhaust memory.
constexpr std::uint64_t kMaxElements = std::uint64_t{1} << 30;

class TensorFile {
 public:
  explicit TensorFile(const std::filesystem::path& path)
      : file_(open_file(path)), header_(read_safetensors_header(*file_)) {}

  const TensorInfo* find(std::string_view name) const {
    for (const TensorInfo& tensor : header_.tensors) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  }

  const TensorInfo& at(std::string_view name) const {
    const TensorInfo* found = find(name);
    if (found == nullptr) fail(ErrorCode::kNotFound, file_->name(), ": there is no tensor '", name, "'");
    return *found;
  }

  std::vector<float> read_f32(const TensorInfo& tensor) const {
    const std::uint64_t count = tensor.num_bytes / dtype_bytes(tensor.dtype);
    if (count > kMaxElements) fail(ErrorCode::kInvalidFile, file_->name(), ": '", tensor.name, "' is too large");
    std::vector<float> values(static_cast<std::size_t>(count));
    if (tensor.dtype == DType::kF32) {
      file_->read(tensor.offset, std::as_writable_bytes(std::span(values)));
    } else if (tensor.dtype == DType::kBF16) {
      convert<BFloat16>(tensor, values, [](BFloat16 value) { return float_from_bf16(value); });
    } else if (tensor.dtype == DType::kF16) {
      convert<Half>(tensor, values, [](Half value) { return float_from_half(value); });
    } else {
      fail(ErrorCode::kUnsupported, file_->name(), ": '", tensor.name, "' is of type ", dtype_name(tensor.dtype),
           "; f32, f16 or bf16 is expected");
    }
    return values;
  }

  const std::string& name() const { return file_->name(); }

 private:
  template <typename Stored, typename Widen>
  void convert(const TensorInfo& tensor, std::span<float> values, Widen widen) const {
    std::vector<Stored> stored(values.size());
    file_->read(tensor.offset, std::as_writable_bytes(std::span(stored)));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = widen(stored[i]);
  }

  std::unique_ptr<ReadableFile> file_;
  SafetensorsHeader header_;
};

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

PromptEmbeds read_conditioning(const TensorFile& file, const OpenModel& model, const std::string& prefix, int& tokens) {
  const TensorInfo& embeds = file.at(prefix + "prompt_embeds");
  const TensorInfo& pooled = file.at(prefix + "pooled_prompt_embeds");
  const bool fits = embeds.shape.size() == 3 && embeds.shape[0] == 1 && embeds.shape[1] >= 1 &&
                    embeds.shape[2] == model.flux.joint_attention_dim && (tokens == 0 || embeds.shape[1] == tokens) &&
                    pooled.shape.size() == 2 && pooled.shape[0] == 1 &&
                    pooled.shape[1] == model.flux.pooled_projection_dim;
  if (!fits) {
    fail(ErrorCode::kInvalidFile, file.name(), ": '", embeds.name, "' is ", shape_text(embeds.shape), " and '",
         pooled.name, "' ", shape_text(pooled.shape), ", but ", model.name, " takes [1, tokens, ",
         model.flux.joint_attention_dim, "] and [1, ", model.flux.pooled_projection_dim,
         "], the same tokens for both prompts");
  }
  constexpr std::int64_t kMaxTokens = 1 << 16;
  if (embeds.shape[1] > kMaxTokens) fail(ErrorCode::kInvalidFile, file.name(), ": too many tokens");
  tokens = static_cast<int>(embeds.shape[1]);
  return {file.read_f32(embeds), file.read_f32(pooled)};
}

}  // namespace

StoredEmbeds read_embeddings(const std::filesystem::path& path, const OpenModel& model) {
  const TensorFile file(path);
  StoredEmbeds stored;
  stored.conditionings.push_back(read_conditioning(file, model, "", stored.tokens));
  if (file.find("negative_prompt_embeds") != nullptr) {
    stored.conditionings.push_back(read_conditioning(file, model, "negative_", stored.tokens));
  }
  return stored;
}

std::vector<float> read_latents(const std::filesystem::path& path, std::int64_t images, std::int64_t tokens,
                                std::int64_t channels) {
  const TensorFile file(path);
  const TensorInfo& latents = file.at("latents");
  const std::vector<std::int64_t> expected = {images, tokens, channels};
  if (latents.shape != expected) {
    fail(ErrorCode::kInvalidFile, file.name(), ": 'latents' is ", shape_text(latents.shape),
         ", but this request takes ", shape_text(expected), " (images, tokens, channels)");
  }
  return file.read_f32(latents);
}

void Embeddings::save(const std::filesystem::path& path) const {
  const auto embeds_tensor = [&](const char* name, const std::vector<float>& values) {
    return TensorBytes{{name, DType::kF32, {1, tokens, width}}, std::as_bytes(std::span(values))};
  };
  const auto pooled_tensor = [&](const char* name, const std::vector<float>& values) {
    return TensorBytes{{name, DType::kF32, {1, pooled_width}}, std::as_bytes(std::span(values))};
  };
  std::vector<TensorBytes> tensors = {embeds_tensor("prompt_embeds", prompt_embeds),
                                      pooled_tensor("pooled_prompt_embeds", pooled_prompt_embeds)};
  if (!negative_prompt_embeds.empty()) {
    tensors.push_back(embeds_tensor("negative_prompt_embeds", negative_prompt_embeds));
    tensors.push_back(pooled_tensor("negative_pooled_prompt_embeds", negative_pooled_prompt_embeds));
  }
  write_safetensors(path, tensors);
}

}  // namespace steadyflux
