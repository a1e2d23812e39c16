#include "backend/cpu/matmul.h"

#include <array>
#include <utility>
#include <vector>

#include "backend/cpu/library_threads.h"
#include "backend/cpu/onednn.h"
#include "base/error.h"

namespace steadyflux::cpu {
namespace {

using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;

dnnl::primitive_attr attributes(bool accumulate) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attr.set_post_ops(sum);
  }
  return attr;
}

}  // namespace

class Matmul {
 public:
  Matmul(const MatmulShape& shape, int num_workers) {
    const auto type = library_type(shape.dtype);
    const Desc x({shape.m, shape.k}, type, Dims{shape.x_stride, 1});
    const Desc w({shape.k, shape.n}, type, shape.w_is_nk ? Dims{1, shape.w_stride} : Dims{shape.w_stride, 1});
    const Desc y({shape.m, shape.n}, dnnl::memory::data_type::f32, Dims{shape.y_stride, 1});
    const auto desc = describe_product(x, w, y, attributes(shape.accumulate));
    primitive_ = dnnl::matmul(desc);
    scratch_bytes_ = desc.scratchpad_desc().get_size();
    workers_.reserve(static_cast<std::size_t>(num_workers));
    for (int i = 0; i < num_workers; ++i) {
      workers_.push_back(
          {dnnl::stream(library_engine()), unbound(x), unbound(w), unbound(y), unbound(desc.scratchpad_desc())});
    }
  }

  std::size_t scratch_bytes() const { return scratch_bytes_; }

  void run(int worker, const void* x, const void* w, float* y, std::byte* scratch) {
    Operands& operands = workers_[static_cast<std::size_t>(worker)];
    operands.x.set_data_handle(const_cast<void*>(x));
    operands.w.set_data_handle(const_cast<void*>(w));
    operands.y.set_data_handle(y);
    operands.scratch.set_data_handle(scratch);
    // The C call, because the C++ one builds a map for every execution.
    const std::array<dnnl_exec_arg_t, 4> args{{{DNNL_ARG_SRC, operands.x.get()},
                                               {DNNL_ARG_WEIGHTS, operands.w.get()},
                                               {DNNL_ARG_DST, operands.y.get()},
                                               {DNNL_ARG_SCRATCHPAD, operands.scratch.get()}}};
    const auto status = dnnl_primitive_execute(primitive_.get(), operands.stream.get(), args.size(), args.data());
    ensure(status == dnnl_success, "oneDNN could not run a matrix product, status ", status);
  }

 private:
  // One set for each worker: addresses change from call to call.
  struct Operands {
    dnnl::stream stream;
    dnnl::memory x;
    dnnl::memory w;
    dnnl::memory y;
    dnnl::memory scratch;
  };

  dnnl::matmul primitive_;
  std::size_t scratch_bytes_ = 0;
  std::vector<Operands> workers_;
};

MatmulCache::MatmulCache(int num_workers) : num_workers_(num_workers) {}

MatmulCache::~MatmulCache() = default;

std::size_t MatmulCache::prepare(const MatmulShape& shape) {
  auto& product = products_[shape];
  if (!product) {
    try {
      const LibraryThreads one_thread(1);
      product = std::make_unique<Matmul>(shape, num_workers_);
    } catch (const dnnl::error& error) {
      products_.erase(shape);
      fail(ErrorCode::kInternal, "oneDNN refuses the product [", shape.m, ", ", shape.k, "] x [", shape.k, ", ",
           shape.n, "] in ", dtype_name(shape.dtype), ": ", error.what());
    }
  }
  return product->scratch_bytes();
}

void MatmulCache::run(const MatmulShape& shape, int worker, const void* x, const void* w, float* y,
                      std::byte* scratch) const {
  const auto product = products_.find(shape);
  ensure(product != products_.end(), "a matrix product was not prepared");
  product->second->run(worker, x, w, y, scratch);
}

bool has_bf16_products() {
  // Instruction sets are bit masks, each including what it builds upon.
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto bf16 = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (isa & bf16) == bf16;
}

}  // namespace steadyflux::cpu
