#include "nn/weights.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace steadyflux {
namespace {

struct Inner {
  ops::Linear linear;
};

struct Outer {
  NormWeights norm;
  std::vector<Inner> layers;
};

template <typename Visitor>
void visit(Inner& weights, std::int64_t width, Visitor&& visitor) {
  visit_linear(weights.linear, "fc", width, 2 * width, visitor);
}

template <typename Visitor>
void visit(Outer& weights, std::int64_t width, Visitor&& visitor) {
  visit_norm(weights.norm, "norm", width, visitor);
  weights.layers.resize(2);
  for (std::size_t i = 0; i < 2; ++i) visit(weights.layers[i], width, visitor.within("layers", i));
}

class Source final : public WeightSource {
 public:
  std::vector<Tensor> tensors;

  std::size_t num_groups() const override { return 1; }
  Lease acquire(std::size_t group) override { return {*this, group, tensors}; }

 private:
  void release(std::size_t) noexcept override {}
};

Source source_of(const GroupSpec& group) {
  static std::byte memory[1];
  Source source;
  for (const WeightSpec& weight : group.weights) source.tensors.emplace_back(memory, DType::kF32, weight.shape);
  return source;
}

TEST(Weights, OneVisitListsNamesAndShapes) {
  const GroupSpec group = list_weights<Outer>("g", "net.", 3);
  EXPECT_EQ(group.name, "g");
  ASSERT_EQ(group.weights.size(), 6u);
  EXPECT_EQ(group.weights[0].name, "net.norm.weight");
  EXPECT_EQ(group.weights[1].name, "net.norm.bias");
  EXPECT_EQ(group.weights[2].name, "net.layers.0.fc.weight");
  EXPECT_EQ(group.weights[5].name, "net.layers.1.fc.bias");
  EXPECT_EQ(group.weights[5].shape, Shape{3});
  EXPECT_EQ(group.weights[4].shape, (Shape{3, 6}));
}

TEST(Weights, TheSameVisitBindsALease) {
  Source source = source_of(list_weights<Outer>("g", "", 3));
  const Outer outer = bind_weights<Outer>(source.acquire(0), 3);
  EXPECT_EQ(outer.norm.bias.shape, Shape{3});
  EXPECT_EQ(outer.layers.at(1).linear.weight.shape, (Shape{3, 6}));
  EXPECT_FALSE(outer.layers.at(1).linear.bias.empty());
}

TEST(Weights, ALeaseOfAnotherGroupIsABug) {
  Source shorter = source_of(list_weights<Outer>("g", "", 3));
  shorter.tensors.pop_back();
  EXPECT_THROW(bind_weights<Outer>(shorter.acquire(0), 3), Error);

  Source longer = source_of(list_weights<Outer>("g", "", 3));
  longer.tensors.push_back(longer.tensors.back());
  EXPECT_THROW(bind_weights<Outer>(longer.acquire(0), 3), Error);

  Source narrower = source_of(list_weights<Outer>("g", "", 2));
  EXPECT_THROW(bind_weights<Outer>(narrower.acquire(0), 3), Error);
}

}  // namespace
}  // namespace steadyflux
