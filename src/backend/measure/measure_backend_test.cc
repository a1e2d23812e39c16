#include "backend/measure/measure_backend.h"

#include <gtest/gtest.h>

#include <array>

#include "backend/executor.h"
#include "backend/host_backend.h"
#include "base/error.h"

namespace steadyflux {
namespace {

// A backend that must only be asked for scratch.
class ScratchOnly final : public HostBackend {
 public:
  std::string_view name() const override { return "scratch only"; }
  std::size_t scratch_bytes(const ops::Op& op) override {
    return std::holds_alternative<ops::LinearMany>(op) ? 1000 : 0;
  }
  void run(const ops::Op&, std::span<std::byte>) override { ADD_FAILURE() << "measuring computes nothing"; }
  std::unique_ptr<Region> reserve(std::size_t) override { return nullptr; }
  void upload(std::span<const std::byte>, const Tensor&) override { ADD_FAILURE(); }
  void download(const Tensor&, std::span<std::byte>) override { ADD_FAILURE(); }
};

// Two layers in a scope of their own, and a sum.
void forward(const Executor& on, const ops::Linear& linear) {
  const Tensor x = on.allocate(DType::kF32, {4, 64});
  {
    const ArenaScope scope(on.arena());
    const Tensor hidden = on.allocate(DType::kBF16, {4, 64});
    for (int layer = 0; layer < 2; ++layer) {
      const std::array parts = {ops::LinearPart{.linear = linear, .out = hidden}};
      on.run(ops::LinearMany{x, parts});
    }
    on.run(ops::Add{.a = x, .b = hidden, .out = x});
  }
}

TEST(Measure, TellsThePeakAndTheTotalsOfForwardCode) {
  ScratchOnly target;
  MeasureBackend measure(target);
  Arena arena = Arena::measuring();
  const auto weights = measure.reserve(8192);
  forward({measure, arena}, {.weight = {weights->data(), DType::kBF16, {64, 64}}});

  EXPECT_EQ(arena.peak_bytes(), 4u * 64 * 4 + 4 * 64 * 2 + 1024);  // scratch is rounded up to the alignment
  EXPECT_EQ(arena.peak_scratch_bytes(), 1024u);

  const Trace& trace = measure.trace();
  const double linear_flops = 2.0 * (2 * 4 * 64 * 64);
  const double linear_bytes = 2.0 * (4 * 64 * 4 + 64 * 64 * 2 + 4 * 64 * 2);
  ASSERT_EQ(trace.ops.size(), 2u);
  EXPECT_EQ(trace.ops[0].name, "linear_many");
  EXPECT_EQ(trace.ops[0].count, 2);
  EXPECT_EQ(trace.ops[0].cost.flops, linear_flops);
  EXPECT_EQ(trace.ops[0].cost.bytes, linear_bytes);
  EXPECT_EQ(trace.ops[1].name, "add");
  EXPECT_EQ(trace.ops[1].count, 1);
  EXPECT_EQ(trace.total.flops, linear_flops + 4 * 64);
  EXPECT_EQ(trace.total.bytes, linear_bytes + 4 * 64 * (4 + 2 + 4));
}

TEST(Measure, ListsEachShapeOfProductOnce) {
  ScratchOnly target;
  MeasureBackend measure(target);
  Arena arena = Arena::measuring();
  std::byte* const address = measure.reserve(1)->data();
  forward({measure, arena}, {.weight = {address, DType::kBF16, {64, 64}}});
  forward({measure, arena}, {.weight = {address, DType::kF16, {64, 64}}});
  const Trace trace = measure.take_trace();
  ASSERT_EQ(trace.gemms.size(), 2u);
  EXPECT_EQ(trace.gemms[0].rows, 4);
  EXPECT_EQ(trace.gemms[0].out_features, 64);
  EXPECT_EQ(trace.gemms[0].in_features, 64);
  EXPECT_EQ(trace.gemms[0].x, DType::kF32);
  EXPECT_EQ(trace.gemms[0].weight, DType::kBF16);
  EXPECT_EQ(trace.gemms[0].out, DType::kBF16);
  EXPECT_EQ(trace.gemms[0].count, 2);
  EXPECT_EQ(trace.gemms[1].weight, DType::kF16);
  EXPECT_TRUE(measure.trace().ops.empty());
  EXPECT_EQ(measure.trace().total.flops, 0);
}

TEST(Measure, RegionsAreAlignedApartAndNeedNoMemory) {
  ScratchOnly target;
  MeasureBackend measure(target);
  const std::size_t huge = std::size_t{1} << 45;
  const auto first = measure.reserve(huge);
  const auto empty = measure.reserve(0);
  const auto second = measure.reserve(5);
  EXPECT_EQ(first->size_bytes(), huge);
  for (const auto* region : {first.get(), empty.get(), second.get()}) {
    EXPECT_NE(region->data(), nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region->data()) % Arena::kAlignment, 0u);
  }
  EXPECT_GE(reinterpret_cast<std::uintptr_t>(second->data()),
            reinterpret_cast<std::uintptr_t>(first->data()) + first->size_bytes());
  EXPECT_NE(empty->data(), second->data());
}

TEST(Measure, DownloadsZerosAndStillChecksSizes) {
  ScratchOnly target;
  MeasureBackend measure(target);
  const auto region = measure.reserve(8);
  const Tensor tensor(region->data(), DType::kF32, {2});
  std::array<float, 2> host = {1, 2};
  measure.upload(std::as_bytes(std::span(host)), tensor);
  measure.download(tensor, std::as_writable_bytes(std::span(host)));
  EXPECT_EQ(host, (std::array<float, 2>{0, 0}));
  EXPECT_THROW(measure.download(tensor, std::as_writable_bytes(std::span(host)).first(4)), Error);
}

TEST(Measure, CountsConvolutionsOfOneShapeTogether) {
  ScratchOnly target;
  MeasureBackend measure(target);
  const auto fake = [](const Shape& shape) { return Tensor(reinterpret_cast<std::byte*>(128), DType::kF32, shape); };
  ops::Conv2d conv = {.x = fake({4, 6, 2}), .weight = fake({5, 2, 1, 1}), .out = fake({4, 6, 5})};
  measure.run(conv, {});
  measure.run(conv, {});
  conv.x = fake({2, 3, 2});
  conv.upsample = 2;
  measure.run(conv, {});
  conv.stride = 2;
  conv.out = fake({2, 3, 5});
  measure.run(conv, {});
  const std::vector<ConvTotal>& convs = measure.trace().convs;
  ASSERT_EQ(convs.size(), 2u);
  EXPECT_EQ(convs[0].count, 3);
  EXPECT_EQ(convs[0].out_width, 6);
  EXPECT_EQ(convs[0].in_channels, 2);
  EXPECT_EQ(convs[0].out_channels, 5);
  EXPECT_EQ(convs[1].stride, 2);
}

TEST(Measure, KeepsLayersInIntegersApart) {
  ScratchOnly target;
  MeasureBackend measure(target);
  const auto fake = [](const Shape& shape) { return Tensor(reinterpret_cast<std::byte*>(128), DType::kF32, shape); };
  ops::LinearPart part = {.linear = {.weight = fake({4, 8})}, .out = fake({2, 4})};
  measure.run(ops::LinearMany{fake({2, 8}), {&part, 1}}, {});
  part.compute = ops::Compute::kInt8;
  measure.run(ops::LinearMany{fake({2, 8}), {&part, 1}}, {});
  ASSERT_EQ(measure.trace().ops.size(), 2u);
  EXPECT_EQ(measure.trace().ops[0].name, "linear_many");
  EXPECT_EQ(measure.trace().ops[1].name, kInt8Linear);
  EXPECT_EQ(measure.trace().ops[1].cost.flops, 2 * 2 * 4 * 8);
}

}  // namespace
}  // namespace steadyflux
