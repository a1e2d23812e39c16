#include "backend/cpu/matmul.h"

#include <algorithm>
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

// With AMX the library's scratch falls and rises with a product's rows: 15 of 15360 values need 110 KB more than 40.
// Plans are made for the longest prompt and serve every shorter one, so they count what each of our tiles fits into
// (2.6: 0.4 MiB were the most seen).
constexpr std::size_t kLeastAmxScratchBytes = std::size_t{1} << 20;

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

Desc weights_desc(const MatmulShape& shape, dnnl::memory::data_type type) {
  const Dims dims = {shape.k, shape.n};
  switch (shape.layout) {
    case WeightLayout::kNk:
      return {dims, type, dnnl::memory::format_tag::ba};
    case WeightLayout::kKn:
      return {dims, type, dnnl::memory::format_tag::ab};
    case WeightLayout::kPacked:
      break;
  }
  return {dims, type, dnnl::memory::format_tag::any};
}

// The C call, because the C++ one builds a map for every execution.
template <std::size_t kCount>
void execute(const dnnl::primitive& primitive, const dnnl::stream& stream,
             const std::array<dnnl_exec_arg_t, kCount>& args) {
  const auto status = dnnl_primitive_execute(primitive.get(), stream.get(), static_cast<int>(kCount), args.data());
  ensure(status == dnnl_success, "oneDNN could not run a primitive, status ", status);
}

}  // namespace

class Matmul {
 public:
  Matmul(const MatmulShape& shape, int num_workers) {
    using Type = dnnl::memory::data_type;
    const bool integers = shape.dtype == DType::kI8;
    const Type type = integers ? Type::s8 : library_type(shape.dtype);
    const Desc x({shape.m, shape.k}, integers ? Type::u8 : type, dnnl::memory::format_tag::ab);
    const Desc y({shape.m, shape.n}, integers ? Type::s32 : Type::f32, dnnl::memory::format_tag::ab);
    const auto desc = describe_product(x, weights_desc(shape, type), y, attributes(shape.accumulate));
    primitive_ = dnnl::matmul(desc);
    scratch_bytes_ = desc.scratchpad_desc().get_size();
    packed_bytes_ = desc.weights_desc().get_size();

    const Desc plain({shape.k, shape.n}, type, dnnl::memory::format_tag::ba);
    dnnl::reorder::primitive_desc packing(library_engine(), plain, library_engine(), desc.weights_desc(),
                                          attributes(false));
    if (shape.layout == WeightLayout::kPacked) {
      packing_ = dnnl::reorder(packing);
      scratch_bytes_ = std::max(scratch_bytes_, packing.scratchpad_desc().get_size());
    }
    workers_.reserve(static_cast<std::size_t>(num_workers));
    for (int i = 0; i < num_workers; ++i) {
      workers_.push_back({dnnl::stream(library_engine()), unbound(x), unbound(desc.weights_desc()), unbound(y),
                          unbound(plain), unbound(desc.scratchpad_desc()), unbound(packing.scratchpad_desc())});
    }
  }

  std::size_t scratch_bytes() const { return scratch_bytes_; }
  std::size_t packed_bytes() const { return packed_bytes_; }

  void run(int worker, const void* x, const void* w, void* y, std::byte* scratch) {
    Operands& operands = workers_[static_cast<std::size_t>(worker)];
    operands.x.set_data_handle(const_cast<void*>(x));
    operands.w.set_data_handle(const_cast<void*>(w));
    operands.y.set_data_handle(y);
    operands.scratch.set_data_handle(scratch);
    execute<4>(primitive_, operands.stream,
               {{{DNNL_ARG_SRC, operands.x.get()},
                 {DNNL_ARG_WEIGHTS, operands.w.get()},
                 {DNNL_ARG_DST, operands.y.get()},
                 {DNNL_ARG_SCRATCHPAD, operands.scratch.get()}}});
  }

  void pack(int worker, const void* w, std::byte* packed, std::byte* scratch) {
    Operands& operands = workers_[static_cast<std::size_t>(worker)];
    operands.plain_w.set_data_handle(const_cast<void*>(w));
    operands.w.set_data_handle(packed);
    operands.packing_scratch.set_data_handle(scratch);
    execute<3>(packing_, operands.stream,
               {{{DNNL_ARG_FROM, operands.plain_w.get()},
                 {DNNL_ARG_TO, operands.w.get()},
                 {DNNL_ARG_SCRATCHPAD, operands.packing_scratch.get()}}});
  }

 private:
  // One set for each worker: addresses change from call to call.
  struct Operands {
    dnnl::stream stream;
    dnnl::memory x;
    dnnl::memory w;
    dnnl::memory y;
    dnnl::memory plain_w;
    dnnl::memory scratch;
    dnnl::memory packing_scratch;
  };

  dnnl::matmul primitive_;
  dnnl::reorder packing_;
  std::size_t scratch_bytes_ = 0;
  std::size_t packed_bytes_ = 0;
  std::vector<Operands> workers_;
};

MatmulCache::MatmulCache(int num_workers)
    : num_workers_(num_workers),
      least_tile_scratch_bytes_(instruction_set().find("amx") == std::string::npos ? 0 : kLeastAmxScratchBytes) {}

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
  return std::max(product->scratch_bytes(), shape.dtype == DType::kF32 ? 0 : least_tile_scratch_bytes_);
}

Matmul& MatmulCache::find(const MatmulShape& shape) const {
  const auto product = products_.find(shape);
  ensure(product != products_.end(), "a matrix product was not prepared");
  return *product->second;
}

void MatmulCache::run(const MatmulShape& shape, int worker, const void* x, const void* w, void* y,
                      std::byte* scratch) const {
  find(shape).run(worker, x, w, y, scratch);
}

std::size_t MatmulCache::packed_bytes(const MatmulShape& shape) const { return find(shape).packed_bytes(); }

void MatmulCache::pack(const MatmulShape& shape, int worker, const void* w, std::byte* packed,
                       std::byte* scratch) const {
  find(shape).pack(worker, w, packed, scratch);
}

std::string instruction_set() {
  using dnnl::cpu_isa;
  constexpr std::pair<cpu_isa, const char*> kNames[] = {{cpu_isa::sse41, "sse41"},
                                                        {cpu_isa::avx, "avx"},
                                                        {cpu_isa::avx2, "avx2"},
                                                        {cpu_isa::avx2_vnni, "avx2_vnni"},
                                                        {cpu_isa::avx512_core, "avx512_core"},
                                                        {cpu_isa::avx512_core_vnni, "avx512_core_vnni"},
                                                        {cpu_isa::avx512_core_bf16, "avx512_core_bf16"},
                                                        {cpu_isa::avx512_core_amx, "avx512_core_amx"}};
  const cpu_isa isa = dnnl::get_effective_cpu_isa();
  for (const auto& [each, name] : kNames) {
    if (each == isa) return name;
  }
  return "set " + std::to_string(static_cast<unsigned>(isa));
}

namespace {

// Instruction sets are bit masks, each including what it builds upon.
bool library_may_use(dnnl::cpu_isa wanted) {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  return (isa & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
}

}  // namespace

bool has_bf16_products() { return library_may_use(dnnl::cpu_isa::avx512_core_bf16); }

bool has_int8_products() { return library_may_use(dnnl::cpu_isa::avx512_core_vnni); }

std::string products_arithmetic() {
  const dnnl_version_t& library = *dnnl::version();
  return "oneDNN " + std::to_string(library.major) + '.' + std::to_string(library.minor) + '.' +
         std::to_string(library.patch) + " on " + instruction_set();
}

}  // namespace steadyflux::cpu
