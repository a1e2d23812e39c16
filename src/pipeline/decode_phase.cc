// Latents to pictures, one at a time.
#include "pipeline/host_values.h"
#include "pipeline/phases.h"

namespace steadyflux {

bool run_decode(const PhaseContext& c) {
  const Job& job = c.job;
  const std::int64_t channels = c.model.autoencoder.image_channels;
  const Shape picture = {job.height, job.width, channels};
  const std::size_t rgb_bytes = tensor_bytes(DType::kU8, picture);
  // Pictures that were made stay in the result if it keeps them; latents were there already, but for their copies.
  const std::size_t results = job.keep_images ? job.images.size() : 1;
  const Shape packed_shape = {job.latent.num_tokens(), c.model.flux.in_channels};
  const std::size_t result_bytes = rgb_bytes + (job.keep_latents ? tensor_bytes(DType::kF32, packed_shape) : 0);
  const Stage stage = {.phase = phase_name(Phase::kDecode),
                       .weights = &c.model.decoder_part,
                       .passes = job.num_images(),
                       .equal_passes = static_cast<double>(job.num_images()),
                       .weight_passes = decode_passes(c.model.autoencoder, c.choice.decode, job.height, job.width),
                       .kept_bytes = carried_bytes(Phase::kDecode, c.model, job) + results * result_bytes};
  return c.runner.run(stage, [&](const Executor& executor, WeightSource& weights, std::int64_t pass) {
    const ArenaScope scope(executor.arena());
    const auto index = static_cast<std::size_t>(pass);
    const Tensor packed = executor.allocate(DType::kF32, packed_shape);
    const Tensor rgb = executor.allocate(DType::kU8, picture);
    if (!c.runner.measuring()) c.carried.latents.give(executor.backend(), index, packed);
    decode_latents(executor, weights, c.model.autoencoder, job.activations, packed, rgb, c.choice.decode);
    if (c.runner.measuring()) return;
    std::vector<std::uint8_t> pixels(rgb_bytes);
    executor.backend().download(rgb, std::as_writable_bytes(std::span(pixels)));
    std::vector<float> latents;
    if (job.keep_latents) latents = load_values(c.carried.latents.load(index), DType::kF32);
    c.outputs.on_image(index, std::move(pixels), std::move(latents));
  });
}

}  // namespace steadyflux
