// Linear layers.
#include <vector>

#include "backend/reference/activation.h"
#include "backend/reference/decoded.h"
#include "backend/reference/elements.h"
#include "backend/reference/int8_row.h"
#include "backend/reference/kernels.h"

namespace steadyflux::reference {
namespace {

// What becomes of x weight^T at one place of the output.
void finish(const ops::LinearPart& part, std::int64_t row, std::int64_t column, double result) {
  if (!part.linear.bias.empty()) result += load(part.linear.bias, column);
  result = activate(part.activation, result);
  if (part.accumulate) {
    const double gate = part.gate.empty() ? 1 : load(part.gate, column);
    result = load(part.out, row, column) + gate * result;
  }
  store(part.out, row, column, result);
}

void compute_float(const Tensor& x, const ops::LinearPart& part) {
  const Tensor& weight = part.linear.weight;
  for (std::int64_t row = 0; row < x.dim(0); ++row) {
    for (std::int64_t column = 0; column < part.out.dim(1); ++column) {
      const Run input = {x, row * x.row_stride()};
      const Run weights = {weight, column * weight.row_stride()};
      finish(part, row, column, dot(input, weights, x.dim(1)));
    }
  }
}

void compute_int8(const Tensor& x, const ops::LinearPart& part) {
  std::vector<Int8Row> weights;
  for (std::int64_t column = 0; column < part.out.dim(1); ++column) {
    weights.push_back(int8_row(part.linear.weight, column));
  }
  for (std::int64_t row = 0; row < x.dim(0); ++row) {
    const Int8Row input = int8_row(x, row);
    for (std::int64_t column = 0; column < part.out.dim(1); ++column) {
      const Int8Row& weight = weights[static_cast<std::size_t>(column)];
      const double scale = static_cast<double>(input.scale) * static_cast<double>(weight.scale);
      finish(part, row, column, static_cast<double>(int8_dot(input, weight)) * scale);
    }
  }
}

}  // namespace

void compute(const ops::LinearMany& op) {
  for (ops::LinearPart part : op.parts) {
    const bool int8 = part.compute == ops::Compute::kInt8;
    if (int8 && part.linear.weight.dtype == DType::kI8) {
      compute_int8(op.x, part);  // with the integers as they are stored
      continue;
    }
    const Decoded weight(part.linear.weight);
    part.linear.weight = weight.tensor();
    int8 ? compute_int8(op.x, part) : compute_float(op.x, part);
  }
}

}  // namespace steadyflux::reference
