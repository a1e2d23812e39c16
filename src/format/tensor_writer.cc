#include "format/tensor_writer.h"

#include <utility>

#include "base/error.h"

namespace steadyflux {

bool PendingTensors::advance(std::string_view name, std::uint64_t count) {
  // Steps over what is complete, and over tensors without bytes.
  while (next_ < pending_.size() && pending_[next_].remaining_bytes == 0 && pending_[next_].name != name) ++next_;
  ensure(next_ < pending_.size() && pending_[next_].name == name, "tensor \"", name, "\" is written out of order");
  ensure(count <= pending_[next_].remaining_bytes, "too many bytes for tensor \"", name, "\"");
  pending_[next_].remaining_bytes -= count;
  return !std::exchange(pending_[next_].begun, true);
}

void PendingTensors::check_complete() const {
  for (const Pending& tensor : pending_) {
    ensure(tensor.remaining_bytes == 0, tensor.remaining_bytes, " bytes of tensor \"", tensor.name,
           "\" were not written");
  }
}

}  // namespace steadyflux
