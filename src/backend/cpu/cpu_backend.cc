#include "backend/cpu/cpu_backend.h"

#include <hwy/targets.h>

#include <chrono>
#include <string>
#include <variant>

#include "backend/cpu/attention.h"
#include "backend/cpu/context.h"
#include "backend/cpu/conv2d.h"
#include "backend/cpu/linear.h"
#include "backend/cpu/pixel_ops.h"
#include "backend/cpu/row_ops.h"
#include "backend/host_backend.h"
#include "platform/page_region.h"

namespace steadyflux {
namespace {

// Pages are exact multiples; the region answers with what was asked for.
class CpuRegion : public Region {
 public:
  CpuRegion(std::size_t size_bytes, bool lock) : size_bytes_(size_bytes), pages_(size_bytes) {
    if (lock) pages_.lock();
  }
  std::byte* data() const override { return pages_.data(); }
  std::size_t size_bytes() const override { return size_bytes_; }

 private:
  std::size_t size_bytes_;
  PageRegion pages_;
};

class CpuBackend final : public HostBackend {
 public:
  explicit CpuBackend(const CpuOptions& options)
      : context_(options.num_threads > 0 ? options.num_threads : available_threads(),
                 options.bf16 == CpuBf16::kAuto && cpu::has_bf16_products()),
        lock_memory_(options.lock_memory) {}

  std::string_view name() const override { return "cpu"; }

  std::string arithmetic() const override {
    return "cpu, " + cpu::products_arithmetic() + (context_.bf16_products ? ", bf16 products" : ", f32 products") +
           ", kernels of " + std::to_string(hwy::SupportedTargets());
  }

  std::size_t scratch_bytes(const ops::Op& op) override {
    return std::visit([this](const auto& concrete) { return cpu::scratch_bytes(context_, concrete); }, op);
  }

  void run(const ops::Op& op, std::span<std::byte> scratch) override {
    const auto begin = std::chrono::steady_clock::now();
    Arena arena(scratch.data(), scratch.size());
    std::visit([&](const auto& concrete) { cpu::run(context_, concrete, arena); }, op);
    profile_.add(op, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }

  Profile profile() override { return profile_; }

  std::unique_ptr<Region> reserve(std::size_t bytes) override {
    return std::make_unique<CpuRegion>(bytes, lock_memory_);
  }

 private:
  cpu::Context context_;
  bool lock_memory_;
  Profile profile_;
};

}  // namespace

CpuProducts cpu_products() { return {cpu::instruction_set(), cpu::has_bf16_products()}; }

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options) { return std::make_unique<CpuBackend>(options); }

}  // namespace steadyflux
