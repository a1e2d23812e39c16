#include "backend/measure/measure_backend.h"

#include <algorithm>
#include <utility>

#include "backend/host_backend.h"

namespace steadyflux {
namespace {

class MadeUpRegion final : public Region {
 public:
  MadeUpRegion(std::byte* address, std::size_t bytes) : address_(address), bytes_(bytes) {}
  std::byte* data() const override { return address_; }
  std::size_t size_bytes() const override { return bytes_; }

 private:
  std::byte* address_;
  std::size_t bytes_;
};

void add_to(ops::Cost& sum, const ops::Cost& cost) {
  sum.flops += cost.flops;
  sum.bytes += cost.bytes;
}

void add_op(std::vector<OpTotal>& totals, std::string_view name, const ops::Cost& cost) {
  auto found = std::find_if(totals.begin(), totals.end(), [&](const OpTotal& each) { return each.name == name; });
  if (found == totals.end()) found = totals.insert(totals.end(), OpTotal{.name = name, .count = 0, .cost = {}});
  ++found->count;
  add_to(found->cost, cost);
}

bool same_shape(const GemmTotal& a, const GemmTotal& b) {
  return a.rows == b.rows && a.out_features == b.out_features && a.in_features == b.in_features && a.x == b.x &&
         a.weight == b.weight && a.out == b.out;
}

void add_gemms(std::vector<GemmTotal>& totals, const ops::LinearMany& op) {
  for (const ops::LinearPart& part : op.parts) {
    const GemmTotal gemm = {.rows = op.x.dim(0),
                            .out_features = part.out.dim(1),
                            .in_features = op.x.dim(1),
                            .x = op.x.dtype,
                            .weight = part.linear.weight.dtype,
                            .out = part.out.dtype};
    auto found =
        std::find_if(totals.begin(), totals.end(), [&](const GemmTotal& each) { return same_shape(each, gemm); });
    if (found == totals.end()) found = totals.insert(totals.end(), gemm);
    ++found->count;
  }
}

bool same_shape(const ConvTotal& a, const ConvTotal& b) {
  return a.out_height == b.out_height && a.out_width == b.out_width && a.in_channels == b.in_channels &&
         a.out_channels == b.out_channels && a.kernel == b.kernel && a.stride == b.stride;
}

void add_conv(std::vector<ConvTotal>& totals, const ops::Conv2d& op) {
  const ConvTotal conv = {.out_height = op.out.dim(0),
                          .out_width = op.out.dim(1),
                          .in_channels = op.weight.dim(1),
                          .out_channels = op.weight.dim(0),
                          .kernel = op.weight.dim(2),
                          .stride = op.stride};
  auto found =
      std::find_if(totals.begin(), totals.end(), [&](const ConvTotal& each) { return same_shape(each, conv); });
  if (found == totals.end()) found = totals.insert(totals.end(), conv);
  ++found->count;
}

std::string_view name_of(const ops::Op& op) {
  const auto* linear = std::get_if<ops::LinearMany>(&op);
  const auto is_int8 = [](const ops::LinearPart& part) { return part.compute == ops::Compute::kInt8; };
  if (linear != nullptr && std::any_of(linear->parts.begin(), linear->parts.end(), is_int8)) return kInt8Linear;
  return ops::op_name(op);
}

}  // namespace

Trace MeasureBackend::take_trace() { return std::exchange(trace_, {}); }

void MeasureBackend::run(const ops::Op& op, std::span<std::byte>) {
  const ops::Cost cost = ops::cost(op);
  add_op(trace_.ops, name_of(op), cost);
  if (const auto* linear = std::get_if<ops::LinearMany>(&op)) add_gemms(trace_.gemms, *linear);
  if (const auto* conv = std::get_if<ops::Conv2d>(&op)) add_conv(trace_.convs, *conv);
  add_to(trace_.total, cost);
}

std::unique_ptr<Region> MeasureBackend::reserve(std::size_t bytes) {
  // At least one byte, so that an empty region has an address of its own.
  return std::make_unique<MadeUpRegion>(addresses_.allocate(std::max<std::size_t>(bytes, 1)), bytes);
}

void MeasureBackend::upload(std::span<const std::byte> host, const Tensor& tensor) { check_copy(tensor, host.size()); }

void MeasureBackend::download(const Tensor& tensor, std::span<std::byte> host) {
  check_copy(tensor, host.size());
  std::fill(host.begin(), host.end(), std::byte{0});
}

}  // namespace steadyflux
