// Runs a case on a backend and says in which ways the outcome breaks the contract.
#pragma once

#include <string>
#include <vector>

#include "backend/backend.h"
#include "problem.h"

namespace steadyflux::conformance {

// What a backend left behind.
struct Outcome {
  std::vector<std::byte> image;         // the case's block
  std::vector<std::string> violations;  // writes outside the outputs or the scratch
};

// Runs the case once, in poisoned scratch of exactly the size the backend asks for.
Outcome run_case(Backend& backend, const Case& each);

// `image` with the elements of the case's outputs taken from `other`, a block of the same layout.
std::vector<std::byte> with_outputs_of(const Case& each, std::vector<std::byte> image,
                                       const std::vector<std::byte>& other);

// What came of a case.
struct Verdict {
  std::vector<std::string> violations;  // everything wrong, the first few elements of each output; none: it conforms
  double worst = 0;                     // the largest error of an element, as a fraction of what is allowed
};

// The reference's results for one case and how far another backend may be from them.
// Holds both. Thread rule: const use from any thread.
class Expectation {
 public:
  explicit Expectation(const Case& each);

  Verdict judge(Backend& backend) const;
  std::vector<std::string> violations(Backend& backend) const { return judge(backend).violations; }

 private:
  void compare(std::size_t output, const std::vector<std::byte>& image, Verdict& verdict) const;

  Case case_;
  Outcome expected_;
  std::vector<std::vector<double>> bounds_;
};

}  // namespace steadyflux::conformance
