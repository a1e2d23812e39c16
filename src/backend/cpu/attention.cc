#include "backend/cpu/attention.h"

#include "backend/cpu/convert.h"
#include "backend/cpu/epilogue.h"
#include "backend/cpu/softmax.h"
#include "backend/cpu/transpose.h"

namespace steadyflux::cpu {
namespace {

// Scores of a block against a chunk (256 KiB), their weights and the block's sums stay in a core's L2.
constexpr std::int64_t kQueryBlock = 128;
constexpr std::int64_t kKeyChunk = 512;
// Keys and values that are not multiplied where they lie are copied, once for all queries, as many heads at a time.
constexpr std::int64_t kMostCopyBytes = 128 << 20;

// In f32, with more queries than these, keys are worth turning over to [head_dim, keys]: on 64 and more 4 % faster with
// AVX-512, 9 % with AVX2.
constexpr std::int64_t kMostFewQueries = 63;
// Keys are turned over in as many rows at a time: of f32, a cache line.
constexpr std::int64_t kTurnedRows = 16;

struct Plan {
  DType compute = DType::kF32;
  std::int64_t head_dim = 0;
  bool copy_k = false;  // into chunks
  bool copy_v = false;
  bool turn_k = false;
};

bool lies_ready(const Tensor& tensor, DType compute) {
  return tensor.dtype == compute && tensor.row_stride() == tensor.dim(2);
}

// For the operation's first `queries` queries.
Plan plan_of(const Context& context, const ops::Attention& op, std::int64_t queries) {
  const bool all_bf16 = op.q.dtype == DType::kBF16 && op.k.dtype == DType::kBF16 && op.v.dtype == DType::kBF16;
  Plan plan;
  plan.compute = context.compute_dtype(all_bf16 ? DType::kBF16 : DType::kF32);
  plan.head_dim = op.q.dim(2);
  plan.turn_k = plan.compute == DType::kF32 && queries > kMostFewQueries;
  plan.copy_k = plan.turn_k || !lies_ready(op.k, plan.compute);
  plan.copy_v = !lies_ready(op.v, plan.compute);
  return plan;
}

MatmulShape scores_shape(const Plan& plan, std::int64_t queries, std::int64_t keys) {
  return {.m = queries,
          .n = keys,
          .k = plan.head_dim,
          .dtype = plan.compute,
          .layout = plan.turn_k ? WeightLayout::kKn : WeightLayout::kNk,
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
  std::byte* k;  // copies of some heads, chunk after chunk
  std::byte* v;
  PerWorker<float> turned;  // keys that are being turned over
  PerWorker<float> scores;
  PerWorker<std::byte> weights;
  PerWorker<float> sums;
  PerWorker<RunningSoftmax> softmax;
  PerWorker<std::byte> q;
  PerWorker<std::byte> of_library;
};

// Keys and values of a head that are copied.
std::int64_t copied_bytes(const Plan& plan, const ops::Attention& op) {
  return static_cast<std::int64_t>(bytes_of(plan.compute, op.k.dim(0) * plan.head_dim));
}

// Heads whose keys and values are copied at a time.
std::int64_t heads_at_a_time(const Plan& plan, const ops::Attention& op) {
  if (!plan.copy_k && !plan.copy_v) return op.q.dim(1);
  return std::clamp<std::int64_t>(kMostCopyBytes / (2 * copied_bytes(plan, op)), 1, op.q.dim(1));
}

// Prepares every product of blocks of queries with chunks of keys.
std::size_t prepare_products(Context& context, const Plan& plan, std::int64_t q_rows, std::int64_t kv_rows) {
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
  return library_bytes;
}

Scratch prepare(Context& context, const ops::Attention& op, std::int64_t q_rows, Arena& arena) {
  const Plan plan = plan_of(context, op, q_rows);
  const std::int64_t kv_rows = op.k.dim(0);
  const std::size_t library_bytes = prepare_products(context, plan, q_rows, kv_rows);
  const auto element_bytes = static_cast<std::int64_t>(dtype_bytes(plan.compute));
  const std::int64_t queries = std::min(q_rows, kQueryBlock);
  const std::int64_t keys = std::min(kv_rows, kKeyChunk);
  // Of the most rows that are copied at a time, which are not those of the most heads.
  const std::int64_t copy_bytes =
      std::min(op.q.dim(1) * copied_bytes(plan, op), std::max(copied_bytes(plan, op), kMostCopyBytes / 2));
  return {allocate_shared<std::byte>(arena, plan.copy_k ? copy_bytes : 0),
          allocate_shared<std::byte>(arena, plan.copy_v ? copy_bytes : 0),
          {context, arena, plan.turn_k ? kTurnedRows * plan.head_dim : 0},
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

// Keys or values of some heads as they are multiplied: where they lie, or in a copy, head after head and chunk after
// chunk: [keys, head_dim], or turned over.
class HeadChunks {
 public:
  HeadChunks(const Plan& plan, const Tensor& tensor, Block heads, std::byte* copy)
      : plan_(plan), tensor_(tensor), heads_(heads), copy_(copy) {}

  // A chunk of a head, counted from the first of these.
  void fill(std::int64_t head, std::int64_t chunk) const {
    const Block keys = block_at(chunk, kKeyChunk, tensor_.dim(0));
    copy_rows(heads_.begin + head, keys, copied(heads_.begin + head, keys.begin));
  }
  void fill_turned(std::int64_t head, std::int64_t chunk, float* buffer) const {
    const Block keys = block_at(chunk, kKeyChunk, tensor_.dim(0));
    auto* turned = reinterpret_cast<float*>(copied(heads_.begin + head, keys.begin));
    for (std::int64_t i = 0; i < keys.count; i += kTurnedRows) {
      const Block some = {keys.begin + i, std::min(kTurnedRows, keys.count - i)};
      copy_rows(heads_.begin + head, some, reinterpret_cast<std::byte*>(buffer));
      transpose(buffer, plan_.head_dim, some.count, plan_.head_dim, turned + i, keys.count);
    }
  }

  // The chunk that begins with key `row`.
  const std::byte* address(std::int64_t row, std::int64_t head) const {
    return copy_ == nullptr ? head_address(tensor_, row, head) : copied(head, row);
  }

 private:
  void copy_rows(std::int64_t head, Block rows, std::byte* to) const {
    const auto width = static_cast<std::size_t>(plan_.head_dim);
    for (std::int64_t i = 0; i < rows.count; ++i) {
      convert(head_address(tensor_, rows.begin + i, head), tensor_.dtype,
              to + bytes_of(plan_.compute, i * plan_.head_dim), plan_.compute, width);
    }
  }
  std::byte* copied(std::int64_t head, std::int64_t row) const {
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
  BlockTask(const Context& context, const ops::Attention& op, const HeadChunks& k, const HeadChunks& v,
            const Scratch& scratch, int worker, std::int64_t head, Block queries)
      : context_(context),
        op_(op),
        k_(k),
        v_(v),
        scratch_(scratch),
        worker_(worker),
        plan_(plan_of(context, op, op.q.dim(0))),
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
    std::byte* library = scratch_.of_library[worker_];
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
  const HeadChunks& k_;
  const HeadChunks& v_;
  const Scratch& scratch_;
  int worker_;
  Plan plan_;
  std::int64_t head_;
  Block queries_;
};

void fill_chunks(Context& context, const Plan& plan, const ops::Attention& op, Block heads, const HeadChunks& k,
                 const HeadChunks& v, const Scratch& scratch) {
  if (!plan.copy_k && !plan.copy_v) return;
  const std::int64_t chunks = ceil_div(op.k.dim(0), kKeyChunk);
  context.parallel(heads.count * chunks, [&](std::int64_t task, int worker) {
    const std::int64_t head = task / chunks;
    const std::int64_t chunk = task % chunks;
    if (plan.turn_k) {
      k.fill_turned(head, chunk, scratch.turned[worker]);
    } else if (plan.copy_k) {
      k.fill(head, chunk);
    }
    if (plan.copy_v) v.fill(head, chunk);
  });
}

}  // namespace

std::size_t scratch_bytes(Context& context, const ops::Attention& op) {
  if (op.q.dim(0) == 0) return 0;
  // Fewer queries must not need more; few are cut in another way.
  std::size_t bytes = 0;
  for (const std::int64_t queries : {op.q.dim(0), std::min(op.q.dim(0), kMostFewQueries)}) {
    Arena arena = Arena::measuring();
    prepare(context, op, queries, arena);
    bytes = std::max(bytes, arena.peak_bytes());
  }
  return bytes;
}

void run(Context& context, const ops::Attention& op, Arena& arena) {
  const std::int64_t q_rows = op.q.dim(0);
  if (q_rows == 0) return;
  const Scratch scratch = prepare(context, op, q_rows, arena);
  const Plan plan = plan_of(context, op, q_rows);
  const std::int64_t num_blocks = ceil_div(q_rows, kQueryBlock);
  const std::int64_t at_a_time = heads_at_a_time(plan, op);
  for (std::int64_t i = 0; i * at_a_time < op.q.dim(1); ++i) {
    const Block heads = block_at(i, at_a_time, op.q.dim(1));
    const HeadChunks k(plan, op.k, heads, plan.copy_k ? scratch.k : nullptr);
    const HeadChunks v(plan, op.v, heads, plan.copy_v ? scratch.v : nullptr);
    fill_chunks(context, plan, op, heads, k, v, scratch);
    // Blocks of one head follow each other: they share its keys and values in the outer cache.
    context.parallel(heads.count * num_blocks, [&](std::int64_t task, int worker) {
      const Block queries = block_at(task % num_blocks, kQueryBlock, q_rows);
      BlockTask(context, op, k, v, scratch, worker, heads.begin + task / num_blocks, queries).run();
    });
  }
}

}  // namespace steadyflux::cpu
