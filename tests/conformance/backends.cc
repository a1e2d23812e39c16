#include "backends.h"

#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "backend/simulated/simulated_device.h"

namespace steadyflux::conformance {

std::vector<Contender> make_contenders() {
  std::vector<Contender> contenders;
  const auto add = [&](const char* name, const char* family, std::unique_ptr<Backend> backend) {
    contenders.push_back({name, family, std::move(backend)});
  };
  add("cpu, 1 thread", "cpu", make_cpu_backend({.num_threads = 1}));
  add("cpu, 2 threads", "cpu", make_cpu_backend({.num_threads = 2}));
  add("cpu, 7 threads", "cpu", make_cpu_backend({.num_threads = 7}));
  add("cpu, f32 products, 1 thread", "cpu, f32 products", make_cpu_backend({.num_threads = 1, .bf16 = CpuBf16::kOff}));
  add("cpu, f32 products, 3 threads", "cpu, f32 products", make_cpu_backend({.num_threads = 3, .bf16 = CpuBf16::kOff}));
  add("simulated device", "cpu", make_simulated_device([] { return make_cpu_backend({.num_threads = 2}); }));
  return contenders;
}

}  // namespace steadyflux::conformance
