// Linear layers.
#include "backend/reference/activation.h"
#include "backend/reference/decoded.h"
#include "backend/reference/elements.h"
#include "backend/reference/kernels.h"

namespace steadyflux::reference {
namespace {

void compute_part(const Tensor& x, const ops::LinearPart& part) {
  const ops::Linear& linear = part.linear;
  for (std::int64_t row = 0; row < x.dim(0); ++row) {
    for (std::int64_t column = 0; column < part.out.dim(1); ++column) {
      const Run input = {x, row * x.row_stride()};
      const Run weights = {linear.weight, column * linear.weight.row_stride()};
      double result = dot(input, weights, x.dim(1));
      if (!linear.bias.empty()) result += load(linear.bias, column);
      result = activate(part.activation, result);
      if (part.accumulate) {
        const double gate = part.gate.empty() ? 1 : load(part.gate, column);
        result = load(part.out, row, column) + gate * result;
      }
      store(part.out, row, column, result);
    }
  }
}

}  // namespace

void compute(const ops::LinearMany& op) {
  for (ops::LinearPart part : op.parts) {
    const Decoded weight(part.linear.weight);
    part.linear.weight = weight.tensor();
    compute_part(op.x, part);
  }
}

}  // namespace steadyflux::reference
