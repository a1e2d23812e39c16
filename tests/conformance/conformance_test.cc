// Every backend against the reference, operation by operation, within derived bounds.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>

#include "backends.h"
#include "harness.h"

namespace steadyflux::conformance {
namespace {

// Starts the backends once for all cases.
class Contest : public testing::Test {
 protected:
  static void SetUpTestSuite() { contenders_ = make_contenders(); }
  static void TearDownTestSuite() { contenders_.clear(); }

  static std::vector<Contender> contenders_;
};

std::vector<Contender> Contest::contenders_;

class Conformance : public Contest, public testing::WithParamInterface<Case> {};

TEST_P(Conformance, EveryBackendIsWithinItsBounds) {
  const Expectation expectation(GetParam());
  for (const Contender& contender : contenders_) {
    for (const std::string& violation : expectation.violations(*contender.backend)) {
      ADD_FAILURE() << contender.name << ": " << violation;
    }
  }
}

TEST_P(Conformance, ThreadsDoNotChangeBits) {
  std::map<std::string, std::vector<std::byte>> images;
  for (const Contender& contender : contenders_) {
    const Outcome outcome = run_case(*contender.backend, GetParam());
    const auto [first, is_first] = images.emplace(contender.family, outcome.image);
    EXPECT_TRUE(is_first || first->second == outcome.image)
        << contender.name << " differs from the first of its family";
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Conformance, testing::ValuesIn(all_cases()),
                         [](const auto& each) { return each.param.name; });

// A 3 x 3 convolution of rows [begin, end) of an image, or of the whole; same memory and values for both.
Case band_of_convolution(DType dtype, std::int64_t begin, std::int64_t end) {
  return {"band", [=](Builder& builder) -> ops::Op {
            const std::int64_t height = 70;
            const Tensor x = builder.input(dtype, {height, 33, 24});
            const Tensor weight = builder.input(dtype, {40, 24, 3, 3});
            const Tensor out = builder.output(dtype, {height, 33, 40});
            const std::int64_t first = begin == 0 ? 0 : begin - 1;
            const std::int64_t last = end == height ? end : end + 1;
            return ops::Conv2d{.x = x.rows(first, last - first),
                               .weight = weight,
                               .pad_top = begin == 0,
                               .pad_left = 1,
                               .pad_bottom = end == height,
                               .pad_right = 1,
                               .out = out.rows(begin, end - begin)};
          }};
}

// What decoding an image in bands rests on.
TEST_F(Contest, ConvolutionOfABandHasTheBitsOfTheWhole) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const Contender& contender : contenders_) {
      const Outcome whole = run_case(*contender.backend, band_of_convolution(dtype, 0, 70));
      for (const auto& [begin, end] : {std::pair{0, 13}, {13, 14}, {14, 47}, {47, 70}}) {
        const Case band = band_of_convolution(dtype, begin, end);
        const Outcome outcome = run_case(*contender.backend, band);
        EXPECT_EQ(with_outputs_of(band, outcome.image, whole.image), outcome.image)
            << contender.name << ", " << dtype_name(dtype) << ", rows " << begin << " to " << end;
      }
    }
  }
}

TEST(ConformanceCases, CoverEveryOperation) {
  std::set<std::string> covered;
  for (const Case& each : all_cases()) covered.insert(ops::op_name(build(each).op));
  EXPECT_EQ(covered.size(), std::variant_size_v<ops::Op>);
}

}  // namespace

// How googletest prints a case.
void PrintTo(const Case& each, std::ostream* out) { *out << each.name; }

}  // namespace steadyflux::conformance
