// What decoding with FLUX.1's autoencoder takes, and what bands cost. Planned only: nothing is computed.
#include "backend/cpu/cpu_backend.h"
#include "decode.h"
#include "pipeline/overhead.h"

namespace steadyflux {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr int kThreads = 8;

struct Planned {
  DecodeMode mode;
  double process_gib = 0;
  double work = 0;  // operations, those of the whole mode being 1
};

// Process bytes: weights resident, arena, picture and latents on both sides, overhead.
std::vector<Planned> plan(std::int64_t side) {
  const auto backend = make_cpu_backend({.num_threads = kThreads});
  const Decoding decoding{.config = {}, .activations = DType::kBF16, .height = side, .width = side};
  const AddressedWeights weights(decoder_groups(decoding.config), DType::kBF16);
  const std::size_t picture_bytes = tensor_bytes(DType::kU8, decoding.image_shape());
  const std::size_t latents_bytes = tensor_bytes(DType::kF32, decoding.packed_shape());
  std::vector<Planned> all;
  double whole_flops = 0;
  for (const DecodeMode& mode : decoding.modes()) {
    const Measured measured = measure(*backend, decoding, mode, DType::kBF16, DType::kU8);
    const double bytes = static_cast<double>(measured.arena_bytes + weights.num_bytes() + 2 * picture_bytes +
                                             2 * latents_bytes + overhead_bytes(kThreads));
    if (mode.kind == DecodeMode::Kind::kWhole) whole_flops = measured.trace.total.flops;
    all.push_back({mode, bytes / kGiB, measured.trace.total.flops / whole_flops});
  }
  return all;
}

// The least work of a mode within `gib`; infinite when there is none.
double least_work(const std::vector<Planned>& all, double gib) {
  double least = std::numeric_limits<double>::infinity();
  for (const Planned& each : all) {
    if (each.process_gib <= gib) least = std::min(least, each.work);
  }
  return least;
}

TEST(DecodeMemory, OfAMegapixelInBf16) {
  const std::vector<Planned> all = plan(1024);
  EXPECT_EQ(all.front().mode.kind, DecodeMode::Kind::kWhole);
  EXPECT_EQ(least_work(all, 1.10), 1);
  EXPECT_LE(least_work(all, 0.66), 1.10);
  EXPECT_LE(least_work(all, 0.45), 1.45);
}

TEST(DecodeMemory, OfFourMegapixelsInBf16) { EXPECT_LE(least_work(plan(2048), 1.5), 1.45); }

TEST(DecodeMemory, ModesGoFromTheFastestToTheSmallest) {
  for (const std::int64_t side : {512, 1024, 2048}) {
    const std::vector<Planned> all = plan(side);
    ASSERT_GE(all.size(), 3u);
    for (std::size_t i = 1; i < all.size(); ++i) {
      EXPECT_LT(all[i].process_gib, all[i - 1].process_gib) << side << " mode " << i;
      EXPECT_GE(all[i].work, all[i - 1].work * 0.9999) << side << " mode " << i;
    }
  }
}

}  // namespace
}  // namespace steadyflux
