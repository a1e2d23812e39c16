#include "backend/cpu/library_conv.h"

#include "backend/cpu/library_threads.h"
#include "backend/cpu/onednn.h"
#include "base/error.h"

namespace steadyflux::cpu {
namespace {

using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;
using Described = dnnl::convolution_forward::primitive_desc;

Described describe(const LibraryConvShape& shape) {
  const auto any = [&](const Dims& dims) {
    return Desc(dims, library_type(shape.dtype), dnnl::memory::format_tag::any);
  };
  const std::int64_t before = shape.kernel / 2;
  const std::int64_t after = shape.kernel - shape.stride - before;
  return describe_convolution(
      any({1, shape.in_channels, shape.out_height * shape.stride, shape.out_width * shape.stride}),
      any({shape.out_channels, shape.in_channels, shape.kernel, shape.kernel}),
      any({1, shape.out_channels, shape.out_height, shape.out_width}), Dims{shape.stride, shape.stride},
      Dims{before, before}, Dims{after, after});
}

}  // namespace

class LibraryConv::Impl {
 public:
  Impl(const LibraryConvShape& shape, int num_threads) : num_threads_(num_threads), stream_(library_engine()) {
    const LibraryThreads threads(num_threads_);
    const Described described = describe(shape);
    conv_ = dnnl::convolution_forward(described);
    x_ = unbound(described.src_desc());
    w_ = unbound(described.weights_desc());
    y_ = unbound(described.dst_desc());
  }

  void run(std::span<const std::byte> x, std::span<const std::byte> weights, std::span<std::byte> y) {
    ensure(x.size() >= bytes(x_) && weights.size() >= bytes(w_) && y.size() >= bytes(y_),
           "an operand of a convolution is too small");
    const LibraryThreads threads(num_threads_);
    x_.set_data_handle(const_cast<std::byte*>(x.data()));
    w_.set_data_handle(const_cast<std::byte*>(weights.data()));
    y_.set_data_handle(y.data());
    conv_.execute(stream_, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w_}, {DNNL_ARG_DST, y_}});
    stream_.wait();
  }

  static std::size_t bytes(const dnnl::memory& memory) { return memory.get_desc().get_size(); }
  std::size_t x_bytes() const { return bytes(x_); }
  std::size_t weights_bytes() const { return bytes(w_); }
  std::size_t y_bytes() const { return bytes(y_); }

 private:
  int num_threads_;
  dnnl::stream stream_;
  dnnl::convolution_forward conv_;
  dnnl::memory x_;
  dnnl::memory w_;
  dnnl::memory y_;
};

LibraryConv::LibraryConv(const LibraryConvShape& shape, int num_threads) {
  try {
    impl_ = std::make_unique<Impl>(shape, num_threads);
  } catch (const dnnl::error& error) {
    fail(ErrorCode::kInternal, "oneDNN refuses the convolution of ", shape.in_channels, " to ", shape.out_channels,
         " channels, kernel ", shape.kernel, ", in ", dtype_name(shape.dtype), ": ", error.what());
  }
}

LibraryConv::~LibraryConv() = default;
LibraryConv::LibraryConv(LibraryConv&&) noexcept = default;
LibraryConv& LibraryConv::operator=(LibraryConv&&) noexcept = default;

std::size_t LibraryConv::x_bytes() const { return impl_->x_bytes(); }
std::size_t LibraryConv::weights_bytes() const { return impl_->weights_bytes(); }
std::size_t LibraryConv::y_bytes() const { return impl_->y_bytes(); }

void LibraryConv::run(std::span<const std::byte> x, std::span<const std::byte> weights, std::span<std::byte> y) {
  impl_->run(x, weights, y);
}

}  // namespace steadyflux::cpu
