// The suite itself: the reference passes it, and each way to be wrong is found.
#include "harness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "backend/arena.h"
#include "backend/host_backend.h"
#include "backend/reference/reference_backend.h"
#include "base/bf16.h"

namespace steadyflux::conformance {
namespace {

// The reference backend, and something done after each run.
class Tampering final : public HostBackend {
 public:
  using Tamper = std::function<void(const ops::Op&, std::span<std::byte> scratch)>;
  explicit Tampering(Tamper tamper) : tamper_(std::move(tamper)) {}

  std::string_view name() const override { return "tampering"; }
  std::size_t scratch_bytes(const ops::Op& op) override { return reference_->scratch_bytes(op); }
  void run(const ops::Op& op, std::span<std::byte> scratch) override {
    reference_->run(op, scratch);
    tamper_(op, scratch);
  }
  std::unique_ptr<Region> reserve(std::size_t bytes) override { return reference_->reserve(bytes); }

 private:
  Tamper tamper_;
  std::unique_ptr<Backend> reference_ = make_reference_backend();
};

const ops::LinearMany& linear(const ops::Op& op) { return std::get<ops::LinearMany>(op); }
const Tensor& out_of(const ops::Op& op) { return linear(op).parts[0].out; }

// A linear of depth 64 with gaps between the rows of its input and output.
Case example(DType dtype) {
  return {"example", [=](Builder& builder) -> ops::Op {
            const Tensor x = builder.input(dtype, {5, 64}, {.gap = 3});
            const Tensor weight = builder.input(dtype, {7, 64});
            const Tensor out = builder.output(dtype, {5, 7}, {.gap = 2});
            return ops::LinearMany{x, builder.parts({{.linear = {.weight = weight}, .out = out}})};
          }};
}

std::vector<std::string> violations_of(Tampering::Tamper tamper, DType dtype = DType::kF32) {
  Tampering backend(std::move(tamper));
  return Expectation(example(dtype)).violations(backend);
}

TEST(Harness, PassesTheReferenceOnEveryCase) {
  const auto reference = make_reference_backend();
  for (const Case& each : all_cases()) {
    EXPECT_EQ(Expectation(each).violations(*reference), std::vector<std::string>()) << each.name;
  }
}

TEST(Harness, FindsOneWrongElement) {
  const auto found = violations_of([](const ops::Op& op, auto) { out_of(op).as<float>()[2 * 9 + 3] *= 1.0003f; });
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("element 17:"), std::string::npos) << found[0];
}

TEST(Harness, FindsAnElementThatIsNotWritten) {
  EXPECT_EQ(violations_of([](const ops::Op& op, auto) { std::fill_n(out_of(op).data, 4, std::byte{0xFF}); }).size(),
            1u);
}

TEST(Harness, FindsResultsThatWereRoundedToBf16OnTheWay) {
  EXPECT_FALSE(violations_of([](const ops::Op& op, auto) {
                 for (int i = 0; i < 7; ++i) out_of(op).as<float>()[i] = round_to_bf16(out_of(op).as<float>()[i]);
               }).empty());
}

// One unit in the last place may be a rounding; two are not.
TEST(Harness, AllowsABf16ResultOneUnit) {
  const auto off_by = [](int units) {
    return [units](const ops::Op& op, auto) { out_of(op).as<std::uint16_t>()[0] += static_cast<std::uint16_t>(units); };
  };
  EXPECT_TRUE(violations_of(off_by(1), DType::kBF16).empty());
  EXPECT_FALSE(violations_of(off_by(3), DType::kBF16).empty());
}

TEST(Harness, FindsWritesOutsideTheOutputs) {
  const std::vector<std::string> outside = {"memory outside the outputs was written"};
  EXPECT_EQ(violations_of([](const ops::Op& op, auto) { out_of(op).as<float>()[7] = 0; }), outside);
  EXPECT_EQ(violations_of([](const ops::Op& op, auto) { out_of(op).as<float>()[-1] = 0; }), outside);
  EXPECT_EQ(violations_of([](const ops::Op& op, auto) { out_of(op).as<float>()[4 * 9 + 7] = 0; }), outside);
  EXPECT_EQ(violations_of([](const ops::Op& op, auto) { linear(op).x.as<float>()[0] += 1; }), outside);
}

TEST(Harness, FindsWritesOutsideTheScratch) {
  const std::vector<std::string> outside = {"memory outside the scratch was written"};
  EXPECT_EQ(violations_of([](const ops::Op&, auto scratch) { scratch.data()[scratch.size()] = std::byte{0}; }),
            outside);
  EXPECT_EQ(violations_of([](const ops::Op&, auto scratch) { scratch.data()[-1] = std::byte{0}; }), outside);
}

}  // namespace
}  // namespace steadyflux::conformance
