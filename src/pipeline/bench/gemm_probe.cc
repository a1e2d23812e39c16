#include "pipeline/bench/gemm_probe.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "backend/cpu/library_gemm.h"
#include "backend/cpu/matmul.h"
#include "base/error.h"
#include "pipeline/bench/synthetic_values.h"
#include "platform/page_region.h"

namespace steadyflux::bench {
namespace {

// Small products are repeated until a clock can tell.
constexpr double kLeastSeconds = 0.01;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin_ = Clock::now();
};

}  // namespace

std::vector<GemmShape> gemms_of(const Trace& trace) {
  std::vector<GemmShape> shapes;
  for (const GemmTotal& gemm : trace.gemms) {
    const GemmShape shape{gemm.rows, gemm.out_features, gemm.in_features, gemm.count};
    const auto found = std::find_if(shapes.begin(), shapes.end(), [&](const GemmShape& each) {
      return each.m == shape.m && each.n == shape.n && each.k == shape.k;
    });
    if (found == shapes.end()) {
      shapes.push_back(shape);
    } else {
      found->count += shape.count;
    }
  }
  return shapes;
}

DType product_dtype(DType activations) {
  return activations == DType::kBF16 && cpu::has_bf16_products() ? DType::kBF16 : DType::kF32;
}

double median(std::vector<double> values) {
  ensure(!values.empty(), "the median of nothing");
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

struct GemmProbe::Operands {
  PageRegion x;  // as large as the largest shape's
  PageRegion y;
  std::vector<cpu::LibraryGemm> products;
};

GemmProbe::GemmProbe(std::vector<GemmShape> shapes, DType dtype, int num_threads)
    : shapes_(std::move(shapes)), operands_(std::make_unique<Operands>()), seconds_(shapes_.size()) {
  std::int64_t x_count = 0;
  std::int64_t y_count = 0;
  for (const GemmShape& shape : shapes_) {
    x_count = std::max(x_count, shape.m * shape.k);
    y_count = std::max(y_count, shape.m * shape.n);
    const PageRegion weights = normal_operand(operands_->products.size() + 1, dtype, shape.n * shape.k);
    const auto num_bytes = static_cast<std::size_t>(shape.n * shape.k) * dtype_bytes(dtype);
    operands_->products.emplace_back(cpu::LibraryGemmShape{shape.m, shape.n, shape.k, dtype}, num_threads,
                                     weights.bytes().first(num_bytes));
  }
  operands_->x = normal_operand(0, dtype, x_count);
  operands_->y = PageRegion(static_cast<std::size_t>(y_count) * dtype_bytes(dtype));
  for (cpu::LibraryGemm& product : operands_->products) product.run(operands_->x.bytes(), operands_->y.bytes());
}

GemmProbe::~GemmProbe() = default;

double GemmProbe::run_round() {
  double sum = 0;
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    seconds_[i].push_back(time(i));
    sum += seconds_[i].back() * static_cast<double>(shapes_[i].count);
  }
  return sum;
}

double GemmProbe::time(std::size_t index) {
  const Stopwatch watch;
  int repeats = 0;
  double seconds = 0;
  do {
    operands_->products[index].run(operands_->x.bytes(), operands_->y.bytes());
    ++repeats;
    seconds = watch.seconds();
  } while (seconds < kLeastSeconds);
  return seconds / repeats;
}

double GemmProbe::total_seconds() const {
  double sum = 0;
  for (std::size_t i = 0; i < shapes_.size(); ++i) sum += seconds(i) * static_cast<double>(shapes_[i].count);
  return sum;
}

double GemmProbe::total_flops() const {
  double sum = 0;
  for (const GemmShape& shape : shapes_) sum += shape.flops();
  return sum;
}

}  // namespace steadyflux::bench
