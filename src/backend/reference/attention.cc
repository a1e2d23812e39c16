// Attention, one query row and head at a time.
#include <algorithm>
#include <cmath>

#include "backend/reference/elements.h"
#include "backend/reference/kernels.h"

namespace steadyflux::reference {
namespace {

// Where row `row` of head `head` begins.
std::int64_t head_begin(const Tensor& tensor, std::int64_t row, std::int64_t head) {
  return row * tensor.row_stride() + head * tensor.dim(2);
}

double score(const ops::Attention& op, std::int64_t i, std::int64_t j, std::int64_t head) {
  const Run query = {op.q, head_begin(op.q, i, head)};
  const Run key = {op.k, head_begin(op.k, j, head)};
  const double scaled = static_cast<double>(op.scale) * dot(query, key, op.q.dim(2));
  return op.relative_bias.empty() ? scaled : scaled + load(op.relative_bias, head, j - i + op.q.dim(0) - 1);
}

// Turns scores into weights that sum to 1.
void softmax(std::span<double> scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& each : scores) {
    each = std::exp(each - largest);
    sum += each;
  }
  for (double& each : scores) each /= sum;
}

}  // namespace

void compute(const ops::Attention& op, std::span<double> scores) {
  const std::int64_t head_dim = op.q.dim(2);
  for (std::int64_t i = 0; i < op.q.dim(0); ++i) {
    const std::int64_t visible = op.causal ? std::min(i + 1, op.k.dim(0)) : op.k.dim(0);
    const std::span<double> weights = scores.first(static_cast<std::size_t>(visible));
    for (std::int64_t head = 0; head < op.q.dim(1); ++head) {
      std::int64_t j = 0;
      for (double& each : weights) each = score(op, i, j++, head);
      softmax(weights);
      for (std::int64_t d = 0; d < head_dim; ++d) {
        double sum = 0;
        j = 0;
        for (const double weight : weights) sum += weight * load(op.v, head_begin(op.v, j++, head) + d);
        store(op.out, head_begin(op.out, i, head) + d, sum);
      }
    }
  }
}

}  // namespace steadyflux::reference
