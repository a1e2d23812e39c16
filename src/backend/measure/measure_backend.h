// The backend that computes nothing: forward code run on it tells what it would cost.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "backend/arena.h"
#include "backend/backend.h"

namespace steadyflux {

inline constexpr std::string_view kInt8Linear = "linear_int8";

// All runs of one kind of operation together.
struct OpTotal {
  std::string_view name;  // as ops::op_name gives it; kInt8Linear for linear layers in integers
  std::int64_t count = 0;
  ops::Cost cost;
};

// The runs of one matrix product, [rows, in_features] times [out_features, in_features] transposed.
struct GemmTotal {
  std::int64_t rows = 0;
  std::int64_t out_features = 0;
  std::int64_t in_features = 0;
  DType x = DType::kF32;
  DType weight = DType::kF32;
  DType out = DType::kF32;
  std::int64_t count = 0;
};

// The runs of one convolution.
struct ConvTotal {
  std::int64_t out_height = 0;
  std::int64_t out_width = 0;
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t kernel = 0;
  std::int64_t stride = 0;
  std::int64_t count = 0;
};

// What a piece of forward code asked of its backend. The memory it needs is what Arena::measuring() tells.
struct Trace {
  std::vector<OpTotal> ops;      // in the order in which each kind first ran
  std::vector<GemmTotal> gemms;  // the linear layers, in the order in which each shape first ran
  std::vector<ConvTotal> convs;  // likewise
  ops::Cost total;
};

// Stands in for a target backend: scratch is the target's, every operation goes into the trace, and no tensor is ever
// touched, so that tensors may have made-up addresses. download() gives zeros.
// Holds the trace; borrows the target. Thread rule: one thread.
class MeasureBackend final : public Backend {
 public:
  explicit MeasureBackend(Backend& target) : target_(target) {}

  const Trace& trace() const { return trace_; }
  // The trace so far; a new one begins.
  Trace take_trace();

  std::string_view name() const override { return "measure"; }
  std::string arithmetic() const override { return target_.arithmetic(); }
  bool is_discrete() const override { return target_.is_discrete(); }
  DeviceMemory device_memory() const override { return target_.device_memory(); }
  std::size_t scratch_bytes(const ops::Op& op) override { return target_.scratch_bytes(op); }
  void run(const ops::Op& op, std::span<std::byte> scratch) override;
  // A region of made-up addresses, apart from those of any other, with no memory behind it.
  std::unique_ptr<Region> reserve(std::size_t bytes) override;
  std::unique_ptr<Region> reserve_host(std::size_t bytes) override { return reserve(bytes); }
  void upload(std::span<const std::byte> host, const Tensor& tensor) override;
  void download(const Tensor& tensor, std::span<std::byte> host) override;
  Event copy_async(std::span<const std::byte>, std::byte*) override { return {}; }
  Event record(Stream) noexcept override { return {}; }
  void wait(Event) override {}
  void wait_on(Stream, Event) override {}

 private:
  Backend& target_;
  Trace trace_;
  Arena addresses_ = Arena::measuring();
};

}  // namespace steadyflux
