// Operations on rows of elements: lookup, gating, sums and the sampler's steps.
#include "backend/reference/activation.h"
#include "backend/reference/decoded.h"
#include "backend/reference/elements.h"
#include "backend/reference/kernels.h"

namespace steadyflux::reference {
namespace {

// Stores result(row, column) for each element.
template <typename F>
void for_each_element(const Tensor& out, F&& result) {
  for (std::int64_t row = 0; row < out.dim(0); ++row) {
    for (std::int64_t column = 0; column < out.dim(1); ++column) store(out, row, column, result(row, column));
  }
}

float load_float(const Tensor& tensor, std::int64_t row, std::int64_t column) {
  return static_cast<float>(load(tensor, row, column));
}

}  // namespace

void compute(const ops::EmbedRows& op) {
  const Decoded table(op.table);
  for_each_element(op.out, [&](std::int64_t row, std::int64_t column) {
    const std::int64_t id = op.ids.as<std::int32_t>()[row];
    ensure(id >= 0 && id < op.table.dim(0), "embed_rows: id ", id, " of row ", row, " is outside a table of ",
           op.table.dim(0), " rows");
    const double position = op.positions.empty() ? 0 : load(op.positions, row, column);
    return load(table.tensor(), id, column) + position;
  });
}

void compute(const ops::Glu& op) {
  for_each_element(op.out, [&](std::int64_t row, std::int64_t column) {
    return activate(op.activation, load(op.gate, row, column)) * load(op.up, row, column);
  });
}

void compute(const ops::Add& op) {
  // With one row, `b` is added to all of them.
  const bool every_row = !op.b.empty() && op.b.dim(0) == 1;
  for_each_element(op.out, [&](std::int64_t row, std::int64_t column) {
    const double b = op.b.empty() ? 0 : load(op.b, every_row ? 0 : row, column);
    return activate(op.activation, load(op.a, row, column) + b);
  });
}

void compute(const ops::EulerStep& op) {
  for_each_element(op.latents, [&](std::int64_t row, std::int64_t column) {
    const float product = op.dt * load_float(op.velocity, row, column);
    const float latent = load_float(op.latents, row, column);
    return op.round_product ? round_to_bf16(latent + round_to_bf16(product)) : latent + product;
  });
}

void compute(const ops::TrueCfg& op) {
  const auto rounded = [&](float value) { return op.out.dtype == DType::kBF16 ? round_to_bf16(value) : value; };
  for_each_element(op.out, [&](std::int64_t row, std::int64_t column) {
    const float negative = load_float(op.negative, row, column);
    const float difference = rounded(load_float(op.positive, row, column) - negative);
    return rounded(negative + rounded(op.scale * difference));
  });
}

}  // namespace steadyflux::reference
