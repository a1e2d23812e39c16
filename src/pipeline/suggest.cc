#include "pipeline/suggest.h"

#include <optional>

namespace steadyflux {
namespace {

// Sides are tried in sixteenths of what was asked for, rounded down to what the model takes.
constexpr int kSizeSteps = 16;
constexpr int kMinSide = 64;

int scaled_side(int side, int step, int multiple) { return side * step / kSizeSteps / multiple * multiple; }

// The largest fitting size of nearly the same shape.
std::optional<std::string> smaller_size(const Job& job, const EngineOptions& options, const Request& request,
                                        FunctionRef<bool(const EngineOptions&, const Request&)> fits) {
  const int multiple = static_cast<int>(job.width / job.latent.width) * 2;
  int fitting = 0;
  int refused = kSizeSteps;
  while (refused - fitting > 1) {
    const int step = (fitting + refused) / 2;
    Request smaller = request;
    smaller.width = scaled_side(job.width, step, multiple);
    smaller.height = scaled_side(job.height, step, multiple);
    const bool sensible = *smaller.width >= kMinSide && *smaller.height >= kMinSide;
    if (!sensible || fits(options, smaller)) {
      fitting = step;
    } else {
      refused = step;
    }
  }
  const int width = scaled_side(job.width, fitting, multiple);
  const int height = scaled_side(job.height, fitting, multiple);
  if (width < kMinSide || height < kMinSide) return std::nullopt;
  return "--size " + std::to_string(width) + "x" + std::to_string(height);
}

// Of whichever memory is short; nothing where the device has no more.
std::optional<std::string> larger_budget(const EngineOptions& options, const Request& request,
                                         const DoesNotFit& refusal,
                                         FunctionRef<bool(const EngineOptions&, const Request&)> fits) {
  const auto flag = [](const char* name, std::uint64_t bytes) { return name + std::to_string(bytes >> 20) + "M"; };
  std::string budget;
  EngineOptions larger = options;
  if (refusal.is_ram_short()) {
    larger.ram_bytes = refusal.needed_bytes;
    budget = flag("--ram ", larger.ram_bytes);
  }
  if (!refusal.is_vram_short()) return budget;
  larger.vram_bytes = refusal.needed_vram_bytes;
  budget += (budget.empty() ? "" : " ") + flag("--vram ", larger.vram_bytes);
  return fits(larger, request) ? std::optional(budget) : std::nullopt;
}

std::optional<std::string> fewer_images(const EngineOptions& options, const Request& request,
                                        FunctionRef<bool(const EngineOptions&, const Request&)> fits) {
  int fitting = 0;
  int refused = request.count;
  while (refused - fitting > 1) {
    Request fewer = request;
    fewer.count = fitting + (refused - fitting) / 2;
    (fits(options, fewer) ? fitting : refused) = fewer.count;
  }
  if (fitting == 0) return std::nullopt;
  return "--count " + std::to_string(fitting);
}

// What to pass as --decode. Tiles come last: they change the picture.
std::optional<std::string> other_decode(const Job& job, const EngineOptions& options, const Request& request,
                                        FunctionRef<bool(const EngineOptions&, const Request&)> fits) {
  Request changed = request;
  changed.decode = DecodeChoice::kAuto;
  changed.tile_size.reset();
  if (request.decode != DecodeChoice::kAuto && fits(options, changed)) return "--decode auto";
  changed.decode = DecodeChoice::kTiled;
  for (const int tile_size : {512, 256}) {
    const bool allowed = tile_size % (4 * job.width / static_cast<int>(job.latent.width)) == 0;
    if (!allowed || (job.decode == DecodeChoice::kTiled && job.tile_size <= tile_size)) continue;
    changed.tile_size = tile_size;
    if (fits(options, changed)) return "--decode tiled:" + std::to_string(tile_size);
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> suggest_changes(const Job& job, const EngineOptions& options, const Request& request,
                                         const DoesNotFit& refusal,
                                         FunctionRef<bool(const EngineOptions&, const Request&)> fits) {
  std::vector<std::string> suggestions;
  if (const auto budget = larger_budget(options, request, refusal, fits)) suggestions.push_back(*budget);
  if (job.activations == DType::kF32 && job.compute == ops::Compute::kFloat) {
    EngineOptions narrower = options;
    narrower.compute = ComputeDType::kBF16;
    if (fits(narrower, request)) suggestions.emplace_back("--compute bf16");
  }
  if (const auto decode = other_decode(job, options, request, fits)) suggestions.push_back(*decode);
  if (const auto fewer = fewer_images(options, request, fits)) suggestions.push_back(*fewer);
  if (request.latents.empty()) {
    if (const auto smaller = smaller_size(job, options, request, fits)) suggestions.push_back(*smaller);
  }
  return suggestions;
}

}  // namespace steadyflux
