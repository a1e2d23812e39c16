// Judges the first CUDA device on every case and prints a table: cuda_report [PART-OF-A-NAME]
//
// With an argument, only the cases that have it in their name. Exit code 1 when a case does not conform, 77 without a
// device. The reference's results are computed on all processors first.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backend/cuda_backend.h"
#include "base/error.h"
#include "harness.h"

namespace steadyflux::conformance {
namespace {

constexpr int kMaxFailuresShown = 40;

struct Row {
  int num_cases = 0;
  int num_failed = 0;
  double worst = 0;
  std::string worst_case;
};

std::vector<Case> cases_with(std::string_view part) {
  std::vector<Case> chosen;
  for (Case& each : all_cases()) {
    if (each.name.find(part) != std::string::npos) chosen.push_back(std::move(each));
  }
  return chosen;
}

std::vector<std::unique_ptr<Expectation>> expectations_of(const std::vector<Case>& cases) {
  std::vector<std::unique_ptr<Expectation>> expectations(cases.size());
  std::atomic<std::size_t> next = 0;
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back([&] {
      for (std::size_t each = next++; each < cases.size(); each = next++) {
        expectations[each] = std::make_unique<Expectation>(cases[each]);
      }
    });
  }
  threads.clear();
  return expectations;
}

// A failed call is a verdict too: the next case may tell more.
Verdict judge(const Expectation& expectation, Backend& backend) {
  try {
    return expectation.judge(backend);
  } catch (const Error& error) {
    return {{error.what()}, 0};
  }
}

int report(std::string_view part) {
  const auto backend = make_cuda_backend();
  std::cout << backend->arithmetic() << "\n";
  const std::vector<Case> cases = cases_with(part);
  const auto expectations = expectations_of(cases);
  std::map<std::string, Row> rows;
  int num_failed = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    Row& row = rows[ops::op_name(build(cases[i]).op)];
    const Verdict verdict = judge(*expectations[i], *backend);
    ++row.num_cases;
    if (verdict.worst >= row.worst) {
      row.worst = verdict.worst;
      row.worst_case = cases[i].name;
    }
    if (verdict.violations.empty()) continue;
    ++row.num_failed;
    if (++num_failed > kMaxFailuresShown) continue;
    std::cout << "FAILED " << cases[i].name << "\n";
    for (const std::string& violation : verdict.violations) std::cout << "  " << violation << "\n";
  }
  std::printf("%-18s %6s %7s %17s  %s\n", "operation", "cases", "failed", "worst error/bound", "in");
  for (const auto& [name, row] : rows) {
    std::printf("%-18s %6d %7d %17.3f  %s\n", name.c_str(), row.num_cases, row.num_failed, row.worst,
                row.worst_case.c_str());
  }
  std::printf("%zu cases, %d failed\n", cases.size(), num_failed);
  return num_failed == 0 && !cases.empty() ? 0 : 1;
}

}  // namespace
}  // namespace steadyflux::conformance

int main(int argc, char** argv) {
  if (steadyflux::num_cuda_devices() == 0) {
    std::cout << "no CUDA device: nothing was tested\n";
    return 77;
  }
  try {
    return steadyflux::conformance::report(argc > 1 ? argv[1] : "");
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
