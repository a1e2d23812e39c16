// Every backend against the reference, operation by operation, within derived bounds.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "backends.h"
#include "harness.h"

namespace steadyflux::conformance {
namespace {

class Conformance : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { contenders_ = make_contenders(); }
  static void TearDownTestSuite() { contenders_.clear(); }

  static std::vector<Contender> contenders_;
};

std::vector<Contender> Conformance::contenders_;

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

TEST(ConformanceCases, CoverEveryOperation) {
  std::set<std::string> covered;
  for (const Case& each : all_cases()) covered.insert(ops::op_name(build(each, nullptr).op));
  EXPECT_EQ(covered.size(), std::variant_size_v<ops::Op>);
}

}  // namespace

// How googletest prints a case.
void PrintTo(const Case& each, std::ostream* out) { *out << each.name; }

}  // namespace steadyflux::conformance
