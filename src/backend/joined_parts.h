// Linear layers of one input as one layer: a product of all their features fills a device with many multiprocessors
// better than one product after another. FLUX.1's queries, keys and values at 1024x1024, in tiles of 128x256, are 3.3
// waves of a card with 132 multiprocessors each, so that a sixth of it idles; together they are 9.8.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "ops/ops.h"

namespace steadyflux {

// Where weights, biases and outputs are taken to lie.
enum class PartPlaces {
  kKnown,    // where their addresses say: parts are joined whose weights and biases follow one another in memory and
             // whose outputs are columns side by side
  kUnknown,  // one behind the other and side by side, if their shapes and strides allow it: for plans
};

// Holds copies of the parts, neighbours that can be computed as one in place of both; borrows their memory. The results
// of the joined operation are those of the other, up to the order in which a backend sums.
// Parts that are joined are alike in all but their features; they have no gate, and no nested scales.
class JoinedParts {
 public:
  JoinedParts(const ops::LinearMany& op, PartPlaces places);
  JoinedParts(const JoinedParts&) = delete;
  JoinedParts& operator=(const JoinedParts&) = delete;

  bool joins_any() const { return op_.parts.size() < num_given_; }
  const ops::LinearMany& op() const { return op_; }

 private:
  // Operations of more parts stay as they are: no model has one.
  static constexpr std::size_t kMostParts = 8;

  ops::LinearMany op_;
  std::size_t num_given_;
  std::array<ops::LinearPart, kMostParts> parts_;
};

}  // namespace steadyflux
