// The activation functions by their definitions.
#pragma once

#include <cmath>
#include <numbers>

#include "ops/ops.h"

namespace steadyflux::reference {

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

inline double activate(ops::Activation activation, double x) {
  switch (activation) {
    case ops::Activation::kNone:
      return x;
    case ops::Activation::kSilu:
      return x * sigmoid(x);
    case ops::Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case ops::Activation::kGeluErf:
      return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
    case ops::Activation::kQuickGelu:
      return x * sigmoid(1.702 * x);
  }
  return x;
}

}  // namespace steadyflux::reference
