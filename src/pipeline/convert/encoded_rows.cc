#include "pipeline/convert/encoded_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/bf16.h"
#include "base/error.h"
#include "base/half.h"
#include "tensor/codec.h"

namespace steadyflux::convert {
namespace {

// One row, and what it is read back as.
struct Row {
  std::span<const float> values;
  std::span<float> stored;
};

void encode_f32(const Row& row, std::byte* out) {
  std::memcpy(out, row.values.data(), row.values.size_bytes());
  std::copy(row.values.begin(), row.values.end(), row.stored.begin());
}

void encode_bf16(const Row& row, std::byte* out) {
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    const BFloat16 stored = bf16_from_float(row.values[i]);
    std::memcpy(out + i * sizeof stored, &stored, sizeof stored);
    row.stored[i] = float_from_bf16(stored);
  }
}

void encode_f16(const Row& row, std::byte* out) {
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    const Half stored = half_from_float(row.values[i]);
    std::memcpy(out + i * sizeof stored, &stored, sizeof stored);
    row.stored[i] = float_from_half(stored);
    if (std::isinf(row.stored[i]) && std::isfinite(row.values[i])) {
      fail(ErrorCode::kInvalidArgument, "element ", i, " of a row is ", row.values[i], ", too large for f16");
    }
  }
}

void encode_i8(const Row& row, std::byte* out, float* scale) {
  auto* const codes = reinterpret_cast<std::int8_t*>(out);
  *scale = codec::encode_row_i8(row.values.data(), static_cast<std::int64_t>(row.values.size()), codes);
  for (std::size_t i = 0; i < row.values.size(); ++i) row.stored[i] = static_cast<float>(codes[i]) * *scale;
}

void encode_row(DType dtype, const Row& row, std::byte* out, float* scales) {
  const auto count = static_cast<std::int64_t>(row.values.size());
  switch (dtype) {
    case DType::kF32:
      return encode_f32(row, out);
    case DType::kF16:
      return encode_f16(row, out);
    case DType::kBF16:
      return encode_bf16(row, out);
    case DType::kI8:
      return encode_i8(row, out, scales);
    case DType::kNf4:
    case DType::kFp4:
      codec::encode(dtype, row.values.data(), count, out, scales);
      return codec::decode(dtype, out, scales, count, row.stored.data());
    default:
      codec::encode(dtype, row.values.data(), count, out);
      return codec::decode(dtype, out, count, row.stored.data());
  }
}

ErrorSums compare(const Row& row) {
  ErrorSums sums;
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    const double value = row.values[i];
    const double error = std::abs(static_cast<double>(row.stored[i]) - value);
    sums.squared += value * value;
    sums.squared_error += error * error;
    sums.max_error = std::max(sums.max_error, error);
  }
  return sums;
}

}  // namespace

void ErrorSums::add(const ErrorSums& other) {
  squared_error += other.squared_error;
  squared += other.squared;
  max_error = std::max(max_error, other.max_error);
}

double ErrorSums::relative_rms() const { return squared > 0 ? std::sqrt(squared_error / squared) : 0; }

std::size_t stored_bytes(DType dtype, std::int64_t count, std::int64_t row_length) {
  return bytes_of(dtype, count * row_length);
}

std::size_t RowEncoder::scratch_bytes(int num_threads, std::int64_t row_length) {
  return 2 * sizeof(float) * static_cast<std::size_t>(num_threads) * static_cast<std::size_t>(row_length);
}

ErrorSums RowEncoder::encode(const Tensor& rows, DType dtype, std::span<std::byte> out, std::span<float> scales) {
  const std::int64_t row_length = rows.dim(1);
  const std::size_t row_bytes = stored_bytes(dtype, 1, row_length);
  const auto row_scales = static_cast<std::size_t>(scales_per_row(dtype, row_length));
  const auto length = static_cast<std::size_t>(row_length);
  scratch_.resize(static_cast<std::size_t>(pool_.num_threads()));
  for (std::vector<float>& memory : scratch_) memory.resize(2 * length);
  sums_.assign(static_cast<std::size_t>(rows.dim(0)), {});
  pool_.run(rows.dim(0), [&](std::int64_t index, int worker) {
    const std::span memory(scratch_[static_cast<std::size_t>(worker)]);
    const auto i = static_cast<std::size_t>(index);
    codec::decode_row(rows, index, 0, row_length, memory.data());
    const Row row = {memory.first(length), memory.last(length)};
    encode_row(dtype, row, out.data() + i * row_bytes, scales.data() + i * row_scales);
    sums_[i] = compare(row);
  });
  ErrorSums total;
  for (const ErrorSums& sums : sums_) total.add(sums);
  return total;
}

}  // namespace steadyflux::convert
