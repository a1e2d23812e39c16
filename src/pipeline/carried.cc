#include "pipeline/carried.h"

#include <cstring>

#include "base/error.h"

namespace steadyflux {

CarriedRows::CarriedRows(std::size_t count, std::size_t row_bytes, const std::filesystem::path& spill_directory)
    : row_bytes_(row_bytes), memory_(spill_directory.empty() ? count * row_bytes : row_bytes) {
  if (!spill_directory.empty()) file_ = std::make_unique<ScratchFile>(spill_directory);
}

std::span<std::byte> CarriedRows::room(std::size_t index) const {
  return memory_.bytes().subspan(file_ ? 0 : index * row_bytes_, row_bytes_);
}

std::span<std::byte> CarriedRows::row(std::size_t index) const {
  ensure(!file_, "the row is in a file");
  return room(index);
}

void CarriedRows::spill(std::size_t index) {
  if (!file_) return;
  ensure(file_->num_bytes() == index * row_bytes_, "row ", index, " is out of order");
  file_->append(room(index));
}

void CarriedRows::store(std::size_t index, std::span<const std::byte> bytes) {
  ensure(bytes.size() == row_bytes_, "a row of ", bytes.size(), " bytes, not ", row_bytes_);
  std::memcpy(room(index).data(), bytes.data(), bytes.size());
  spill(index);
}

std::span<const std::byte> CarriedRows::load(std::size_t index) {
  if (file_) file_->read(index * row_bytes_, room(index));
  return room(index);
}

void CarriedRows::keep(Backend& backend, const Tensor& tensor, std::size_t index) {
  backend.download(tensor, room(index));
  spill(index);
}

}  // namespace steadyflux
