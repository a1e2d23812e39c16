#include "backend/cpu/attention.h"

#include "backend/cpu/convert.h"
#include "backend/cpu/epilogue.h"
#include "backend/cpu/rows.h"
#include "backend/cpu/softmax.h"

namespace steadyflux::cpu {
namespace {

// Scores of a block against a chunk (256 KiB), their weights and the block's sums stay in a core's L2.
constexpr std::int64_t kQueryBlock = 128;
constexpr std::int64_t kKeyChunk = 512;
// Keys and values that are not multiplied where they lie are copied, once for all queries, as many heads at a time.
constexpr std::int64_t kMostCopyBytes = 128 << 20;

struct Plan {
  DType compute = DType::kF32;
  std::int64_t head_dim = 0;
};

Plan plan_of(const Context& context, const ops::Attention& op) {
  const bool all_bf16 = op.q.dtype == DType::kBF16 && op.k.dtype == DType::kBF16 && op.v.dtype == DType::kBF16;
  return {context.compute_dtype(all_bf16 ? DType::kBF16 : DType::kF32), op.q.dim(2)};
}

MatmulShape scores_shape(const Plan& plan, std::int64_t queries, std::int64_t keys) {
  return {.m = queries,
          .n = keys,
          .k = plan.head_dim,
          .dtype = plan.compute,
          .layout = WeightLayout::kNk,
          .accumulate = false};
}

MatmulShape sums_shape(const Plan& plan, std::int64_t queries, Block keys) {
  return {.m = queries,
          .n = plan.head_dim,
          .k = keys.count,
          .dtype = plan.compute,
          .layout = WeightLayout::kKn,
          .accumulate = keys.begin > 0};
}

struct Scratch {
  std::byte* k;  // copies, [heads, kv_rows, head_dim] of some heads
  std::byte* v;
  PerWorker<float> scores;
  PerWorker<std::byte> weights;
  PerWorker<float> sums;
  PerWorker<RunningSoftmax> softmax;
  PerWorker<std::byte> q;
  PerWorker<std::byte> library;
};

bool lies_ready(const Tensor& tensor, DType compute) {
  return tensor.dtype == compute && tensor.row_stride() == tensor.dim(2);
}

std::int64_t copied_bytes(const Plan& plan, const Tensor& tensor, std::int64_t heads) {
  if (lies_ready(tensor, plan.compute)) return 0;
  return static_cast<std::int64_t>(bytes_of(plan.compute, heads * tensor.dim(0) * plan.head_dim));
}

// Heads whose keys and values are copied at a time.
std::int64_t heads_at_a_time(const Plan& plan, const ops::Attention& op) {
  const std::int64_t bytes = copied_bytes(plan, op.k, 1) + copied_bytes(plan, op.v, 1);
  return bytes == 0 ? op.q.dim(1) : std::clamp<std::int64_t>(kMostCopyBytes / bytes, 1, op.q.dim(1));
}

Scratch prepare(Context& context, const ops::Attention& op, Arena& arena) {
  const Plan plan = plan_of(context, op);
  const std::int64_t q_rows = op.q.dim(0);
  const std::int64_t kv_rows = op.k.dim(0);
  std::size_t library_bytes = 0;
  for (const std::int64_t block : {std::int64_t{0}, ceil_div(q_rows, kQueryBlock) - 1}) {
    const std::int64_t queries = block_at(block, kQueryBlock, q_rows).count;
    const std::int64_t num_chunks = ceil_div(kv_rows, kKeyChunk);
    for (const std::int64_t chunk : {std::int64_t{0}, std::int64_t{1}, num_chunks - 1}) {
      if (chunk >= num_chunks) continue;
      const Block keys = block_at(chunk, kKeyChunk, kv_rows);
      library_bytes = std::max(library_bytes, context.products.prepare(scores_shape(plan, queries, keys.count)));
      library_bytes = std::max(library_bytes, context.products.prepare(sums_shape(plan, queries, keys)));
    }
  }
  const auto element_bytes = static_cast<std::int64_t>(dtype_bytes(plan.compute));
  const std::int64_t queries = std::min(q_rows, kQueryBlock);
  const std::int64_t keys = std::min(kv_rows, kKeyChunk);
  const std::int64_t heads = heads_at_a_time(plan, op);
  return {allocate_shared<std::byte>(arena, copied_bytes(plan, op.k, heads)),
          allocate_shared<std::byte>(arena, copied_bytes(plan, op.v, heads)),
          {context, arena, queries * keys},
          {context, arena, queries * keys * element_bytes},
          {context, arena, queries * plan.head_dim},
          {context, arena, queries},
          {context, arena, queries * plan.head_dim * element_bytes},
          {context, arena, static_cast<std::int64_t>(library_bytes)}};
}

std::byte* head_address(const Tensor& tensor, std::int64_t row, std::int64_t head) {
  return row_address(tensor, row) + static_cast<std::size_t>(head * tensor.strides[1]) * dtype_bytes(tensor.dtype);
}

// Rows of one head of q in the compute dtype, without gaps: where they are, or copied to `buffer`.
const std::byte* head_rows(const Tensor& tensor, Block rows, std::int64_t head, DType to, std::byte* buffer) {
  if (tensor.dtype == to && tensor.row_stride() == tensor.dim(2)) return head_address(tensor, rows.begin, head);
  const auto width = static_cast<std::size_t>(tensor.dim(2));
  for (std::int64_t r = 0; r < rows.count; ++r) {
    convert(head_address(tensor, rows.begin + r, head), tensor.dtype,
            buffer + static_cast<std::size_t>(r) * width * dtype_bytes(to), to, width);
  }
  return buffer;
}

// Keys or values of some heads as they are multiplied: where they lie, or in a copy.
class HeadRows {
 public:
  HeadRows(const Plan& plan, const Tensor& tensor, Block heads, std::byte* copy)
      : plan_(plan), tensor_(tensor), heads_(heads), copy_(copy) {}

  void fill(Context& context) const {
    if (lies_ready(tensor_, plan_.compute)) return;
    parallel_rows(context, tensor_.dim(0), heads_.count * plan_.head_dim, [this](std::int64_t row, int) {
      for (std::int64_t head = heads_.begin; head < heads_.begin + heads_.count; ++head) {
        convert(head_address(tensor_, row, head), tensor_.dtype, copied(row, head), plan_.compute,
                static_cast<std::size_t>(plan_.head_dim));
      }
    });
  }

  const std::byte* address(std::int64_t row, std::int64_t head) const {
    return lies_ready(tensor_, plan_.compute) ? head_address(tensor_, row, head) : copied(row, head);
  }

 private:
  std::byte* copied(std::int64_t row, std::int64_t head) const {
    return copy_ + bytes_of(plan_.compute, ((head - heads_.begin) * tensor_.dim(0) + row) * plan_.head_dim);
  }

  const Plan& plan_;
  const Tensor& tensor_;
  Block heads_;
  std::byte* copy_;
};

// One block of queries of one head against all keys.
class BlockTask {
 public:
  BlockTask(const Context& context, const ops::Attention& op, const HeadRows& k, const HeadRows& v,
            const Scratch& scratch, int worker, std::int64_t head, Block queries)
      : context_(context),
        op_(op),
        k_(k),
        v_(v),
        scratch_(scratch),
        worker_(worker),
        plan_(plan_of(context, op)),
        head_(head),
        queries_(queries) {}

  void run() const {
    RunningSoftmax* softmax = scratch_.softmax[worker_];
    std::fill_n(softmax, queries_.count, RunningSoftmax{0, 0});
    const std::byte* q = head_rows(op_.q, queries_, head_, plan_.compute, scratch_.q[worker_]);
    const std::int64_t kv_rows = op_.causal ? std::min(op_.k.dim(0), queries_.begin + queries_.count) : op_.k.dim(0);
    for (std::int64_t chunk = 0; chunk * kKeyChunk < kv_rows; ++chunk) {
      take_chunk(q, block_at(chunk, kKeyChunk, op_.k.dim(0)));
    }
    store();
  }

 private:
  void take_chunk(const std::byte* q, Block keys) const {
    float* scores = scratch_.scores[worker_];
    std::byte* library = scratch_.library[worker_];
    const std::byte* k = k_.address(keys.begin, head_);
    context_.products.run(scores_shape(plan_, queries_.count, keys.count), worker_, q, k, scores, library);
    for (std::int64_t i = 0; i < queries_.count; ++i) weigh_row(i, keys);
    const std::byte* v = v_.address(keys.begin, head_);
    context_.products.run(sums_shape(plan_, queries_.count, keys), worker_, scratch_.weights[worker_], v,
                          scratch_.sums[worker_], library);
  }

  // Scores of query i of the block to weights; earlier sums rescaled.
  void weigh_row(std::int64_t i, Block keys) const {
    const std::int64_t query = queries_.begin + i;
    const std::int64_t valid =
        op_.causal ? std::clamp<std::int64_t>(query + 1 - keys.begin, 0, keys.count) : keys.count;
    const float* bias = nullptr;
    if (op_.relative_bias) {
      bias =
          reinterpret_cast<const float*>(row_address(op_.relative_bias, head_)) + keys.begin - query + op_.q.dim(0) - 1;
    }
    std::byte* weights =
        scratch_.weights[worker_] + static_cast<std::size_t>(i * keys.count) * dtype_bytes(plan_.compute);
    const float correction = softmax_chunk(scratch_.scores[worker_] + i * keys.count, valid, keys.count, op_.scale,
                                           bias, scratch_.softmax[worker_][i], weights, plan_.compute);
    if (correction != 1.0f) scale_row(scratch_.sums[worker_] + i * plan_.head_dim, plan_.head_dim, correction);
  }

  void store() const {
    float* sums = scratch_.sums[worker_];
    for (std::int64_t i = 0; i < queries_.count; ++i) {
      float* row = sums + i * plan_.head_dim;
      scale_row(row, plan_.head_dim, 1.0f / scratch_.softmax[worker_][i].sum);
      convert(reinterpret_cast<const std::byte*>(row), DType::kF32, head_address(op_.out, queries_.begin + i, head_),
              op_.out.dtype, static_cast<std::size_t>(plan_.head_dim));
    }
  }

  const Context& context_;
  const ops::Attention& op_;
  const HeadRows& k_;
  const HeadRows& v_;
  const Scratch& scratch_;
  int worker_;
  Plan plan_;
  std::int64_t head_;
  Block queries_;
};

}  // namespace

std::size_t scratch_bytes(Context& context, const ops::Attention& op) {
  if (op.q.dim(0) == 0) return 0;
  Arena arena = Arena::measuring();
  prepare(context, op, arena);
  return arena.peak_bytes();
}

void run(Context& context, const ops::Attention& op, Arena& arena) {
  const std::int64_t q_rows = op.q.dim(0);
  if (q_rows == 0) return;
  const Scratch scratch = prepare(context, op, arena);
  const Plan plan = plan_of(context, op);
  const std::int64_t num_blocks = ceil_div(q_rows, kQueryBlock);
  const std::int64_t at_a_time = heads_at_a_time(plan, op);
  for (std::int64_t i = 0; i * at_a_time < op.q.dim(1); ++i) {
    const Block heads = block_at(i, at_a_time, op.q.dim(1));
    const HeadRows k(plan, op.k, heads, scratch.k);
    const HeadRows v(plan, op.v, heads, scratch.v);
    k.fill(context);
    v.fill(context);
    // Blocks of one head follow each other: they share its keys and values in the outer cache.
    context.parallel(heads.count * num_blocks, [&](std::int64_t task, int worker) {
      const Block queries = block_at(task % num_blocks, kQueryBlock, q_rows);
      BlockTask(context, op, k, v, scratch, worker, heads.begin + task / num_blocks, queries).run();
    });
  }
}

}  // namespace steadyflux::cpu
