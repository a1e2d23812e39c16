#include "backend/reference/reference_backend.h"

#include <cstring>
#include <new>
#include <type_traits>

#include "backend/arena.h"
#include "backend/host_backend.h"
#include "backend/reference/kernels.h"
#include "base/error.h"

namespace steadyflux {
namespace {

struct FreeAligned {
  void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{Arena::kAlignment}); }
};

class HostRegion final : public Region {
 public:
  explicit HostRegion(std::size_t bytes)
      : memory_(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{Arena::kAlignment}))), bytes_(bytes) {
    std::memset(memory_.get(), 0, bytes);
  }

  std::byte* data() const override { return memory_.get(); }
  std::size_t size_bytes() const override { return bytes_; }

 private:
  std::unique_ptr<std::byte[], FreeAligned> memory_;
  std::size_t bytes_;
};

class ReferenceBackend final : public HostBackend {
 public:
  std::string_view name() const override { return "reference"; }

  std::size_t scratch_bytes(const ops::Op& op) override {
    const auto* attention = std::get_if<ops::Attention>(&op);
    return attention == nullptr ? 0 : static_cast<std::size_t>(attention->k.dim(0)) * sizeof(double);
  }

  void run(const ops::Op& op, std::span<std::byte> scratch) override {
    std::visit(
        [&](const auto& each) {
          if constexpr (std::is_same_v<decltype(each), const ops::Attention&>) {
            reference::compute(each, {reinterpret_cast<double*>(scratch.data()), scratch.size() / sizeof(double)});
          } else {
            reference::compute(each);
          }
        },
        op);
  }

  std::unique_ptr<Region> reserve(std::size_t bytes) override try {
    return std::make_unique<HostRegion>(bytes);
  } catch (const std::bad_alloc&) {
    fail(ErrorCode::kIo, "no memory for a region of ", bytes, " bytes");
  }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace steadyflux
