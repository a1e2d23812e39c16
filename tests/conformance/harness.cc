#include "harness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <sstream>

#include "backend/arena.h"
#include "backend/reference/elements.h"
#include "backend/reference/reference_backend.h"
#include "bounds.h"
#include "tolerance.h"

namespace steadyflux::conformance {
namespace {

constexpr std::byte kPoison{0xFF};
constexpr int kMaxReported = 3;

// Device memory of a block that starts with given content.
class Block {
 public:
  Block(Backend& backend, std::size_t bytes) : backend_(backend), region_(backend.reserve(bytes)) {}

  std::byte* data() const { return region_->data(); }
  void set(const std::vector<std::byte>& content) const { backend_.upload(content, whole()); }
  std::vector<std::byte> get() const {
    std::vector<std::byte> content(region_->size_bytes());
    backend_.download(whole(), content);
    return content;
  }

 private:
  Tensor whole() const { return {region_->data(), DType::kU8, {static_cast<std::int64_t>(region_->size_bytes())}}; }

  Backend& backend_;
  std::unique_ptr<Region> region_;
};

// The address of an element of an output, `index` counted in row-major order.
const std::byte* element_address(const Tensor& tensor, std::int64_t index) {
  const std::int64_t row_elements = tensor.shape.num_elements() / tensor.dim(0);
  const std::int64_t offset = index / row_elements * tensor.row_stride() + index % row_elements;
  return tensor.data + static_cast<std::size_t>(offset) * dtype_bytes(tensor.dtype);
}

// For building a problem over a block that is only read.
std::byte* address_of(const std::vector<std::byte>& block) { return const_cast<std::byte*>(block.data()); }

double element(const Tensor& tensor, std::int64_t index) {
  Tensor single = tensor;
  single.data = const_cast<std::byte*>(element_address(tensor, index));
  return tensor.dtype == DType::kU8 ? static_cast<double>(*single.as<std::uint8_t>()) : reference::load(single, 0);
}

}  // namespace

std::vector<std::byte> with_outputs_of(const Case& each, std::vector<std::byte> image,
                                       const std::vector<std::byte>& other) {
  for (const Tensor& output : outputs_of(build(each, address_of(other)).op)) {
    for (std::int64_t i = 0; i < output.shape.num_elements(); ++i) {
      const std::byte* source = element_address(output, i);
      std::memcpy(image.data() + (source - other.data()), source, dtype_bytes(output.dtype));
    }
  }
  return image;
}

Outcome run_case(Backend& backend, const Case& each) {
  // Where the block lies is known once its size is.
  const std::size_t bytes = build(each).image.size();
  const Block block(backend, bytes);
  const Problem problem = build(each, block.data());
  ops::check(problem.op);
  block.set(problem.image);

  const std::size_t scratch_bytes = backend.scratch_bytes(problem.op);
  const Block scratch(backend, scratch_bytes + 2 * Arena::kAlignment);
  scratch.set(std::vector<std::byte>(scratch_bytes + 2 * Arena::kAlignment, kPoison));
  backend.run(problem.op, {scratch.data() + Arena::kAlignment, scratch_bytes});
  backend.wait(backend.record(Stream::kCompute));

  Outcome outcome = {block.get(), {}};
  if (with_outputs_of(each, problem.image, outcome.image) != outcome.image) {
    outcome.violations.emplace_back("memory outside the outputs was written");
  }
  const std::vector<std::byte> scratch_after = scratch.get();
  const auto untouched = [](std::byte value) { return value == kPoison; };
  if (!std::all_of(scratch_after.begin(), scratch_after.begin() + Arena::kAlignment, untouched) ||
      !std::all_of(scratch_after.end() - Arena::kAlignment, scratch_after.end(), untouched)) {
    outcome.violations.emplace_back("memory outside the scratch was written");
  }
  return outcome;
}

Expectation::Expectation(const Case& each) : case_(each) {
  expected_ = run_case(*make_reference_backend(), each);
  std::vector<std::byte> image = build(each).image;
  bounds_ = error_bounds(build(each, image.data()).op);
}

Verdict Expectation::judge(Backend& backend) const {
  const Outcome outcome = run_case(backend, case_);
  Verdict verdict = {expected_.violations, 0};
  verdict.violations.insert(verdict.violations.end(), outcome.violations.begin(), outcome.violations.end());
  for (std::size_t i = 0; i < bounds_.size(); ++i) compare(i, outcome.image, verdict);
  return verdict;
}

void Expectation::compare(std::size_t output, const std::vector<std::byte>& image, Verdict& verdict) const {
  const auto tensor_in = [&](const std::vector<std::byte>& block) {
    return outputs_of(build(case_, address_of(block)).op).at(output);
  };
  const Tensor got = tensor_in(image);
  const Tensor expected = tensor_in(expected_.image);
  const std::vector<double>& bounds = bounds_[output];
  int num_wrong = 0;
  for (std::int64_t i = 0; i < got.shape.num_elements(); ++i) {
    const double value = element(got, i);
    const double right = element(expected, i);
    const double allowed = allowed_difference(right, bounds.at(static_cast<std::size_t>(i)), got.dtype);
    const double error = std::fabs(value - right);
    // Written so that NaN, the poison, is wrong.
    if (error <= allowed) {
      if (error > 0) verdict.worst = std::max(verdict.worst, error / allowed);
      continue;
    }
    verdict.worst =
        std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(verdict.worst, error / allowed);
    if (++num_wrong > kMaxReported) continue;
    std::ostringstream text;
    text.precision(9);
    text << "output " << output << " " << got.shape.to_string() << " element " << i << ": got " << value
         << ", expected " << right << " within " << allowed;
    verdict.violations.push_back(text.str());
  }
  if (num_wrong > kMaxReported) {
    verdict.violations.push_back(std::to_string(num_wrong) + " of " + std::to_string(got.shape.num_elements()) +
                                 " elements are wrong");
  }
}

}  // namespace steadyflux::conformance
