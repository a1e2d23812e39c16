#include "format/scales_apart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "format/config.h"
#include "format/printable.h"
#include "tensor/codec.h"
#include "tensor/tensor.h"

namespace steadyflux {
namespace {

constexpr std::string_view kStateMark = ".quant_state.bitsandbytes__";
constexpr std::string_view kRowScaleSuffix = "_scale";
constexpr std::uint64_t kMaxStateBytes = 4096;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 31;

// The text that belongs to a weight.
struct QuantState {
  std::vector<std::int64_t> shape;
  bool nested = false;
  float offset = 0;
};

class Joiner {
 public:
  Joiner(WeightEntries& entries, std::span<const std::shared_ptr<const ReadableFile>> files)
      : entries_(entries), files_(files) {}

  void join_four_bit(const std::string& weight, DType dtype) {
    weight_ = weight;
    const std::string state_name = weight + std::string(kStateMark) + std::string(dtype_name(dtype));
    const QuantState state = read_state(take(state_name), state_name, dtype);
    check_codes(".quant_map", codec::four_bit_codes(dtype));
    if (state.nested) check_codes(".nested_quant_map", codec::nested_scale_codes());
    const std::int64_t blocks = count_blocks(state.shape, dtype);
    const auto num_bytes = static_cast<std::uint64_t>(blocks) * block_shape(dtype).bytes;

    WeightEntry& entry = entry_of_weight();
    if (entry.dtype != DType::kU8 || entry.values.num_bytes != num_bytes) {
      refuse(ErrorCode::kInvalidFile, " takes ", entry.values.num_bytes, " bytes of ", dtype_name(entry.dtype),
             ", but its state asks for ", num_bytes, " of u8");
    }
    entry.dtype = dtype;
    entry.shape = state.shape;
    entry.scales.values = take_table(".absmax", state.nested ? DType::kU8 : DType::kF32, blocks);
    if (state.nested) {
      entry.scales.nested = take_table(".nested_absmax", DType::kF32, ceil_div(blocks, Scales::kNestedBlock));
      entry.scales.offset = state.offset;
    }
    check_nothing_left();
  }

  void join_rows(const std::string& weight) {
    weight_ = weight;
    WeightEntry& entry = entry_of_weight();
    if (entry.shape.size() != 2) refuse(ErrorCode::kInvalidFile, " is of type i8, but not a matrix");
    entry.scales.values = take_table(kRowScaleSuffix, DType::kF32, entry.shape[0]);
  }

 private:
  template <typename... Parts>
  [[noreturn]] void refuse(ErrorCode code, const Parts&... parts) const {
    const auto found = entries_.find(weight_);
    const std::string where = found != entries_.end() ? files_[found->second.values.file]->name() + ": " : "";
    fail(code, where, "the quantised weight \"", printable(weight_), "\"", parts...);
  }

  WeightEntry& entry_of_weight() {
    const auto found = entries_.find(weight_);
    if (found == entries_.end()) refuse(ErrorCode::kInvalidFile, " is not there, only its scales are");
    return found->second;
  }

  // The entry, which is then part of the weight and no longer one of its own.
  WeightEntry take(std::string_view name) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) refuse(ErrorCode::kInvalidFile, " has no \"", printable(name), "\"");
    WeightEntry entry = std::move(found->second);
    entries_.erase(found);
    return entry;
  }

  Extent take_table(std::string_view suffix, DType dtype, std::int64_t count) {
    const std::string name = weight_ + std::string(suffix);
    const WeightEntry table = take(name);
    if (table.dtype != dtype || table.num_elements() != count) {
      refuse(ErrorCode::kInvalidFile, ": \"", printable(name), "\" has ", table.num_elements(), " elements of ",
             dtype_name(table.dtype), ", not ", count, " of ", dtype_name(dtype));
    }
    return table.values;
  }

  QuantState read_state(const WeightEntry& entry, const std::string& name, DType dtype) const {
    if (entry.dtype != DType::kU8 || entry.values.num_bytes > kMaxStateBytes) {
      refuse(ErrorCode::kInvalidFile, ": \"", printable(name), "\" is not a short text");
    }
    std::string text(entry.values.num_bytes, '\0');
    const ReadableFile& file = *files_[entry.values.file];
    file.read(entry.values.offset, std::as_writable_bytes(std::span(text)));
    const Config config = Config::parse(text, file.name() + ": \"" + printable(name) + "\"");
    check_keys(config);
    require_equal(config, "quant_type", dtype_name(dtype));
    require_equal(config, "blocksize", block_shape(dtype).elements);
    QuantState state;
    constexpr IntRange kExtents = {1, kMaxExtent};
    state.shape = config.require_ints("shape", kExtents);
    state.nested = config.has("nested_blocksize");
    if (!state.nested) return state;
    require_equal(config, "nested_blocksize", Scales::kNestedBlock);
    require_equal(config, "nested_dtype", "float32");
    state.offset = read_offset(config);
    return state;
  }

  // An f32 when it was written.
  float read_offset(const Config& config) const {
    const double offset = config.require_float("nested_offset");
    if (std::abs(offset) <= double{std::numeric_limits<float>::max()}) return static_cast<float>(offset);
    refuse(ErrorCode::kInvalidFile, ": its nested_offset is ", offset, ", which is no f32");
  }

  // "dtype" says what the numbers were rounded to before; they are computed with in f32 here.
  void check_keys(const Config& config) const {
    constexpr std::array<std::string_view, 7> kKeys = {"quant_type",       "blocksize",    "dtype",        "shape",
                                                       "nested_blocksize", "nested_dtype", "nested_offset"};
    for (const std::string& key : config.keys()) {
      if (std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end()) continue;
      refuse(ErrorCode::kUnsupported, ": its state has the unknown key \"", printable(key), "\"");
    }
  }

  void require_equal(const Config& config, std::string_view key, std::string_view expected) const {
    const std::string found = config.require_string(key);
    if (found != expected) {
      refuse(ErrorCode::kUnsupported, ": its ", key, " is \"", printable(found), "\"; \"", expected, "\" is supported");
    }
  }
  void require_equal(const Config& config, std::string_view key, std::int64_t expected) const {
    const std::int64_t found = config.require_int(key);
    if (found != expected)
      refuse(ErrorCode::kUnsupported, ": its ", key, " is ", found, "; ", expected, " is supported");
  }

  std::int64_t count_blocks(const std::vector<std::int64_t>& shape, DType dtype) const {
    const std::int64_t block = block_shape(dtype).elements;
    if (shape.size() != 2) refuse(ErrorCode::kUnsupported, " has ", shape.size(), " dimensions, not 2");
    if (shape[1] % block != 0) {
      refuse(ErrorCode::kUnsupported, " has rows of ", shape[1], " elements, not whole blocks of ", block);
    }
    return shape[0] * scales_per_row(dtype, shape[1]);
  }

  // Files hold f32 of what other programs computed in f64: the last bits may differ.
  void check_codes(std::string_view suffix, std::span<const float> expected) {
    const std::string name = weight_ + std::string(suffix);
    const Extent extent = take_table(suffix, DType::kF32, static_cast<std::int64_t>(expected.size()));
    std::vector<float> codes(expected.size());
    files_[extent.file]->read(extent.offset, std::as_writable_bytes(std::span(codes)));
    constexpr float kTolerance = 1e-6f;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      if (std::abs(codes[i] - expected[i]) <= kTolerance * std::abs(expected[i])) continue;
      refuse(ErrorCode::kUnsupported, ": \"", printable(name), "\" gives ", codes[i], " for the code ", i,
             ", where bitsandbytes' usual table has ", expected[i]);
    }
  }

  void check_nothing_left() const {
    const std::string prefix = weight_ + ".";
    const auto next = entries_.lower_bound(prefix);
    if (next == entries_.end() || !next->first.starts_with(prefix)) return;
    refuse(ErrorCode::kUnsupported, " has \"", printable(next->first), "\", which is not known");
  }

  WeightEntries& entries_;
  std::span<const std::shared_ptr<const ReadableFile>> files_;
  std::string weight_;
};

std::optional<DType> four_bit_type(std::string_view name) {
  for (const DType dtype : {DType::kNf4, DType::kFp4}) {
    if (name == dtype_name(dtype)) return dtype;
  }
  return std::nullopt;
}

}  // namespace

void join_scales(WeightEntries& entries, std::span<const std::shared_ptr<const ReadableFile>> files) {
  std::vector<std::pair<std::string, DType>> four_bit;
  std::vector<std::string> by_row;
  for (const auto& [name, entry] : entries) {
    const std::size_t mark = name.find(kStateMark);
    if (mark != std::string::npos) {
      if (const auto dtype = four_bit_type(std::string_view(name).substr(mark + kStateMark.size()))) {
        four_bit.emplace_back(name.substr(0, mark), *dtype);
      }
    }
    if (entry.dtype == DType::kI8 && entries.contains(name + std::string(kRowScaleSuffix))) by_row.push_back(name);
  }
  Joiner joiner(entries, files);
  for (const auto& [weight, dtype] : four_bit) joiner.join_four_bit(weight, dtype);
  for (const std::string& weight : by_row) joiner.join_rows(weight);
}

}  // namespace steadyflux
