#include "backend/cpu/library_gemm.h"

#include "backend/cpu/library_threads.h"
#include "backend/cpu/onednn.h"
#include "base/error.h"

namespace steadyflux::cpu {

class LibraryGemm::Impl {
 public:
  Impl(const LibraryGemmShape& shape, int num_threads, std::span<const std::byte> weights)
      : num_threads_(num_threads), stream_(library_engine()) {
    const LibraryThreads threads(num_threads_);
    const auto type = library_type(shape.dtype);
    const Desc x({shape.m, shape.k}, type, Dims{shape.k, 1});
    const Desc any_w({shape.k, shape.n}, type, dnnl::memory::format_tag::any);
    const Desc y({shape.m, shape.n}, type, Dims{shape.n, 1});
    const auto desc = describe_product(x, any_w, y, dnnl::primitive_attr());
    product_ = dnnl::matmul(desc);
    x_ = unbound(x);
    y_ = unbound(y);
    ensure(weights.size() == x.get_size() / static_cast<std::size_t>(shape.m) * static_cast<std::size_t>(shape.n),
           "weights of a product have ", weights.size(), " bytes");
    pack(Desc({shape.k, shape.n}, type, Dims{1, shape.k}), weights, desc.weights_desc());
  }

  void run(std::span<const std::byte> x, std::span<std::byte> y) {
    const LibraryThreads threads(num_threads_);
    x_.set_data_handle(const_cast<std::byte*>(x.data()));
    y_.set_data_handle(y.data());
    product_.execute(stream_, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w_}, {DNNL_ARG_DST, y_}});
    stream_.wait();
  }

 private:
  using Desc = dnnl::memory::desc;
  using Dims = dnnl::memory::dims;

  void pack(const Desc& plain_desc, std::span<const std::byte> weights, const Desc& packed_desc) {
    dnnl::memory plain(plain_desc, library_engine(), const_cast<std::byte*>(weights.data()));
    w_ = dnnl::memory(packed_desc, library_engine());
    dnnl::reorder(plain, w_).execute(stream_, plain, w_);
    stream_.wait();
  }

  int num_threads_;
  dnnl::stream stream_;
  dnnl::matmul product_;
  dnnl::memory x_;
  dnnl::memory w_;
  dnnl::memory y_;
};

LibraryGemm::LibraryGemm(const LibraryGemmShape& shape, int num_threads, std::span<const std::byte> weights) {
  try {
    impl_ = std::make_unique<Impl>(shape, num_threads, weights);
  } catch (const dnnl::error& error) {
    fail(ErrorCode::kInternal, "oneDNN refuses the product [", shape.m, ", ", shape.k, "] x [", shape.k, ", ", shape.n,
         "] in ", dtype_name(shape.dtype), ": ", error.what());
  }
}

LibraryGemm::~LibraryGemm() = default;
LibraryGemm::LibraryGemm(LibraryGemm&&) noexcept = default;
LibraryGemm& LibraryGemm::operator=(LibraryGemm&&) noexcept = default;

void LibraryGemm::run(std::span<const std::byte> x, std::span<std::byte> y) { impl_->run(x, y); }

}  // namespace steadyflux::cpu
