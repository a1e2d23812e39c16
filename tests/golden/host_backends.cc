#include "backend/cpu/cpu_backend.h"
#include "backend/reference/reference_backend.h"
#include "backend/simulated/simulated_device.h"
#include "golden/backends.h"
#include "golden/mirrored_device.h"

namespace steadyflux::golden {

// The simulated device is here for what makes host memory of a device's.
std::vector<std::string> backend_names() { return {"reference", "cpu", "simulated"}; }

std::unique_ptr<Backend> make_backend(std::string_view name) {
  const auto make_cpu = [] { return make_cpu_backend({.num_threads = 2}); };
  if (name == "reference") return make_reference_backend();
  if (name == "cpu") return make_cpu();
  return std::make_unique<MirroredDevice>(make_simulated_device(make_cpu));
}

}  // namespace steadyflux::golden
