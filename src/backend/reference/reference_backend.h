// The oracle: every operation by its definition, in double precision, one element after another.
#pragma once

#include <memory>

#include "backend/backend.h"

namespace steadyflux {

// A backend on the calling thread that other backends are compared with. Sums are held in double; each output element
// is rounded to f32 and then to its dtype. Slow: for tests and tiny models.
std::unique_ptr<Backend> make_reference_backend();

}  // namespace steadyflux
