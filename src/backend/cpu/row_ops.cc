#include "backend/cpu/row_ops.h"

#include "backend/cpu/decode.h"
#include "backend/cpu/row_kernels.h"
#include "backend/cpu/rows.h"
#include "base/bf16.h"
#include "base/error.h"

namespace steadyflux::cpu {
namespace {

// Elementwise work goes in runs of so many elements, whose f32 forms stay in the innermost cache.
constexpr std::int64_t kRun = 1024;  // whole blocks of every quantised type

// Scratch of an operation with up to two widened parameter vectors and `runs` f32 runs for each worker.
struct Scratch {
  float* first;
  float* second;
  PerWorker<float> runs;
  std::int64_t run_length;

  float* run(int worker, std::int64_t index) const { return runs[worker] + index * run_length; }
};

Scratch lay_out(const Context& context, Arena& arena, std::int64_t vector_length, std::int64_t run_length,
                std::int64_t runs) {
  return {allocate_shared<float>(arena, vector_length),
          allocate_shared<float>(arena, vector_length),
          {context, arena, run_length * runs},
          run_length};
}

Scratch lay_out(const Context& context, const ops::LayerNorm& op, Arena& arena) {
  return lay_out(context, arena, op.x.dim(1), op.x.dim(1), 2);
}
Scratch lay_out(const Context& context, const ops::RmsNorm& op, Arena& arena) {
  return lay_out(context, arena, op.x.dim(1), op.x.dim(1), 2);
}
Scratch lay_out(const Context& context, const ops::QkNormRope& op, Arena& arena) {
  return lay_out(context, arena, op.x.dim(2), op.x.dim(2), 1);
}
Scratch lay_out(const Context& context, const ops::Glu&, Arena& arena) { return lay_out(context, arena, 0, kRun, 3); }
Scratch lay_out(const Context& context, const ops::Add&, Arena& arena) { return lay_out(context, arena, 0, kRun, 3); }
Scratch lay_out(const Context& context, const ops::EmbedRows&, Arena& arena) {
  return lay_out(context, arena, 0, kRun, 3);
}
Scratch lay_out(const Context& context, const ops::EulerStep&, Arena& arena) {
  return lay_out(context, arena, 0, kRun, 1);
}
Scratch lay_out(const Context& context, const ops::TrueCfg&, Arena& arena) {
  return lay_out(context, arena, 0, kRun, 3);
}

template <typename RowOp>
std::size_t measure(const Context& context, const RowOp& op) {
  Arena arena = Arena::measuring();
  lay_out(context, op, arena);
  return arena.peak_bytes();
}

std::size_t unsigned_size(std::int64_t count) { return static_cast<std::size_t>(count); }

// Elements [begin, begin + count) of a row as f32.
const float* widen_run(const Tensor& tensor, std::int64_t row, Block run, float* buffer) {
  const std::byte* from = row_address(tensor, row) + unsigned_size(run.begin) * dtype_bytes(tensor.dtype);
  return widen(from, tensor.dtype, buffer, unsigned_size(run.count));
}

std::byte* run_address(const Tensor& tensor, std::int64_t row, Block run) {
  return row_address(tensor, row) + unsigned_size(run.begin) * dtype_bytes(tensor.dtype);
}

// Calls body(row, run, worker) for runs of at most kRun elements that cover a matrix.
template <typename Body>
void parallel_runs(Context& context, const Tensor& matrix, const Body& body) {
  const std::int64_t width = matrix.dim(1);
  parallel_rows(context, matrix.dim(0), width, [&](std::int64_t row, int worker) {
    for (std::int64_t i = 0; i * kRun < width; ++i) body(row, block_at(i, kRun, width), worker);
  });
}

float round_to(float value, DType dtype) { return dtype == DType::kBF16 ? round_to_bf16(value) : value; }

}  // namespace

std::size_t scratch_bytes(const Context& context, const ops::LayerNorm& op) { return measure(context, op); }
std::size_t scratch_bytes(const Context& context, const ops::RmsNorm& op) { return measure(context, op); }
std::size_t scratch_bytes(const Context& context, const ops::QkNormRope& op) { return measure(context, op); }
std::size_t scratch_bytes(const Context& context, const ops::Glu& op) { return measure(context, op); }
std::size_t scratch_bytes(const Context& context, const ops::Add& op) { return measure(context, op); }
std::size_t scratch_bytes(const Context& context, const ops::EmbedRows& op) { return measure(context, op); }
std::size_t scratch_bytes(const Context& context, const ops::EulerStep& op) { return measure(context, op); }
std::size_t scratch_bytes(const Context& context, const ops::TrueCfg& op) { return measure(context, op); }

void run(Context& context, const ops::LayerNorm& op, Arena& arena) {
  const Scratch scratch = lay_out(context, op, arena);
  const float* scale = widen_vector(op.scale, scratch.first);
  const float* shift = widen_vector(op.shift, scratch.second);
  const std::int64_t width = op.x.dim(1);
  parallel_rows(context, op.x.dim(0), width, [&](std::int64_t row, int worker) {
    const float* x = widen_run(op.x, row, {0, width}, scratch.run(worker, 0));
    const RunWriter out(row_address(op.out, row), op.out.dtype, scratch.run(worker, 1));
    layer_norm_row(x, scale, shift, op.scale_offset, op.eps, unsigned_size(width), out.values());
    out.store(width);
  });
}

void run(Context& context, const ops::RmsNorm& op, Arena& arena) {
  const Scratch scratch = lay_out(context, op, arena);
  const float* weight = widen_vector(op.weight, scratch.first);
  const std::int64_t width = op.x.dim(1);
  parallel_rows(context, op.x.dim(0), width, [&](std::int64_t row, int worker) {
    const float* x = widen_run(op.x, row, {0, width}, scratch.run(worker, 0));
    const RunWriter out(row_address(op.out, row), op.out.dtype, scratch.run(worker, 1));
    rms_norm_row(x, weight, op.eps, unsigned_size(width), out.values());
    out.store(width);
  });
}

void run(Context& context, const ops::QkNormRope& op, Arena& arena) {
  const Scratch scratch = lay_out(context, op, arena);
  const float* weight = widen_vector(op.weight, scratch.first);
  const std::int64_t heads = op.x.dim(1);
  const std::int64_t head_dim = op.x.dim(2);
  const std::size_t count = unsigned_size(head_dim);
  parallel_rows(context, op.x.dim(0), heads * head_dim, [&](std::int64_t row, int worker) {
    const auto* pe = op.pe ? reinterpret_cast<const float*>(row_address(op.pe, row)) : nullptr;
    for (std::int64_t head = 0; head < heads; ++head) {
      std::byte* run = row_address(op.x, row) + unsigned_size(head * op.x.strides[1]) * dtype_bytes(op.x.dtype);
      const RunWriter out(run, op.x.dtype, scratch.run(worker, 0));
      rms_norm_row(widen(run, op.x.dtype, out.values(), count), weight, op.eps, count, out.values());
      if (pe != nullptr) rotate_row(out.values(), pe, count);
      out.store(head_dim);
    }
  });
}

void run(Context& context, const ops::Glu& op, Arena& arena) {
  const Scratch scratch = lay_out(context, op, arena);
  parallel_runs(context, op.out, [&](std::int64_t row, Block run, int worker) {
    const float* gate = widen_run(op.gate, row, run, scratch.run(worker, 0));
    const float* up = widen_run(op.up, row, run, scratch.run(worker, 1));
    const RunWriter out(run_address(op.out, row, run), op.out.dtype, scratch.run(worker, 2));
    activate_multiply_row(gate, up, unsigned_size(run.count), op.activation, out.values());
    out.store(run.count);
  });
}

void run(Context& context, const ops::Add& op, Arena& arena) {
  const Scratch scratch = lay_out(context, op, arena);
  const bool one_row = op.b && op.b.dim(0) == 1;
  parallel_runs(context, op.out, [&](std::int64_t row, Block run, int worker) {
    const float* a = widen_run(op.a, row, run, scratch.run(worker, 0));
    const float* b = op.b ? widen_run(op.b, one_row ? 0 : row, run, scratch.run(worker, 1)) : nullptr;
    const RunWriter out(run_address(op.out, row, run), op.out.dtype, scratch.run(worker, 2));
    add_activate_row(a, b, unsigned_size(run.count), op.activation, out.values());
    out.store(run.count);
  });
}

void run(Context& context, const ops::EmbedRows& op, Arena& arena) {
  const Scratch scratch = lay_out(context, op, arena);
  const auto* ids = op.ids.as<const std::int32_t>();
  for (std::int64_t row = 0; row < op.ids.dim(0); ++row) {
    ensure(ids[row] >= 0 && ids[row] < op.table.dim(0), "embed_rows: id ", ids[row], " at row ", row, " of a table of ",
           op.table.dim(0), " rows");
  }
  parallel_runs(context, op.out, [&](std::int64_t row, Block run, int worker) {
    float* embedding = scratch.run(worker, 0);
    decode_run(op.table, ids[row], run.begin, run.count, reinterpret_cast<std::byte*>(embedding), DType::kF32);
    const float* position = op.positions ? widen_run(op.positions, row, run, scratch.run(worker, 1)) : nullptr;
    const RunWriter out(run_address(op.out, row, run), op.out.dtype, scratch.run(worker, 2));
    add_activate_row(embedding, position, unsigned_size(run.count), ops::Activation::kNone, out.values());
    out.store(run.count);
  });
}

void run(Context& context, const ops::EulerStep& op, Arena& arena) {
  const Scratch scratch = lay_out(context, op, arena);
  parallel_runs(context, op.latents, [&](std::int64_t row, Block run, int worker) {
    const float* velocity = widen_run(op.velocity, row, run, scratch.run(worker, 0));
    auto* latents = reinterpret_cast<float*>(run_address(op.latents, row, run));
    for (std::int64_t i = 0; i < run.count; ++i) {
      const float product = op.dt * velocity[i];
      latents[i] = op.round_product ? round_to_bf16(latents[i] + round_to_bf16(product)) : latents[i] + product;
    }
  });
}

void run(Context& context, const ops::TrueCfg& op, Arena& arena) {
  const Scratch scratch = lay_out(context, op, arena);
  parallel_runs(context, op.out, [&](std::int64_t row, Block run, int worker) {
    const float* positive = widen_run(op.positive, row, run, scratch.run(worker, 0));
    const float* negative = widen_run(op.negative, row, run, scratch.run(worker, 1));
    const RunWriter out(run_address(op.out, row, run), op.out.dtype, scratch.run(worker, 2));
    for (std::int64_t i = 0; i < run.count; ++i) {
      const float difference = round_to(positive[i] - negative[i], op.out.dtype);
      out.values()[i] = negative[i] + round_to(op.scale * difference, op.out.dtype);
    }
    out.store(run.count);
  });
}

}  // namespace steadyflux::cpu
