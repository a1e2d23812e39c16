#include "memory/hashing_source.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "backend/reference/reference_backend.h"
#include "memory/resident_store.h"

namespace steadyflux {
namespace {

// Groups of bf16 weights in memory, as a store would give them; counts the leases.
class TwoWeights final : public WeightSource {
 public:
  TwoWeights() {
    std::iota(values_.begin(), values_.end(), std::uint16_t{0});
    tensors_ = {{tensor_at(0, {kRows, kColumns})}, {tensor_at(kRows * kColumns, {kColumns})}};
    layouts_ = {layout("a", {kRows, kColumns}), layout("b", {kColumns})};
  }

  std::size_t num_groups() const override { return tensors_.size(); }
  Lease acquire(std::size_t group) override { return {*this, group, tensors_[group]}; }
  std::span<const GroupLayout> layouts() const { return layouts_; }

  std::optional<Digest> digest(std::initializer_list<std::size_t> order) { return digest(order, *this, *backend_); }

  std::optional<Digest> digest(std::initializer_list<std::size_t> order, WeightSource& weights, Backend& backend) {
    HashingSource source(weights, backend, layouts_);
    for (const std::size_t group : order) source.acquire(group);
    return source.digest();
  }

  // Large enough for several pieces, the last one short.
  static constexpr std::int64_t kRows = 301;
  static constexpr std::int64_t kColumns = 997;
  std::vector<std::uint16_t> values_ = std::vector<std::uint16_t>((kRows + 1) * kColumns);
  std::vector<GroupLayout> layouts_;
  std::vector<std::vector<Tensor>> tensors_;

 private:
  void release(std::size_t) noexcept override {}
  Tensor tensor_at(std::int64_t first, const Shape& shape) {
    return Tensor(reinterpret_cast<std::byte*>(values_.data() + first), DType::kBF16, shape);
  }
  static GroupLayout layout(const char* name, const Shape& shape) {
    PlacedWeight weight;
    weight.name = name;
    weight.dtype = DType::kBF16;
    weight.shape = shape;
    return {name, {weight}, tensor_bytes(DType::kBF16, shape)};
  }

  std::unique_ptr<Backend> backend_ = make_reference_backend();
};

TEST(HashingSource, KnowsTheContentOnceEveryGroupWasLeased) {
  TwoWeights weights;
  EXPECT_EQ(weights.digest({}), std::nullopt);
  EXPECT_EQ(weights.digest({0}), std::nullopt);
  EXPECT_TRUE(weights.digest({0, 1}));
}

TEST(HashingSource, DoesNotMindOrderOrRepetition) {
  TwoWeights weights;
  const auto once = weights.digest({0, 1});
  EXPECT_EQ(weights.digest({1, 0}), once);
  EXPECT_EQ(weights.digest({0, 1, 0, 1}), once);
}

TEST(HashingSource, SeesEveryChange) {
  TwoWeights weights;
  const auto original = weights.digest({0, 1});
  for (const std::size_t at : {std::size_t{0}, weights.values_.size() / 2, weights.values_.size() - 1}) {
    weights.values_[at] ^= 1;
    EXPECT_NE(weights.digest({0, 1}), original) << at;
    weights.values_[at] ^= 1;
  }
  EXPECT_EQ(weights.digest({0, 1}), original);

  std::swap(weights.layouts_[0].weights[0].name, weights.layouts_[1].weights[0].name);
  EXPECT_NE(weights.digest({0, 1}), original) << "names";
  std::swap(weights.layouts_[0].weights[0].name, weights.layouts_[1].weights[0].name);

  weights.tensors_[0][0] = weights.tensors_[0][0].reshaped({TwoWeights::kColumns, TwoWeights::kRows});
  EXPECT_NE(weights.digest({0, 1}), original) << "shape";
}

}  // namespace
}  // namespace steadyflux
