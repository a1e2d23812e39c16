#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "format/printable.h"
#include "format/safetensors.h"

namespace steadyflux {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;

// The reference implementation's limit.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

// Builds the header from the parser's events, without a document in between: headers may be large, and what is kept is
// then proportional to the tensors. Accepts exactly
//   {"__metadata__": {key: string, …}, name: {"dtype": string, "shape": [n, …], "data_offsets": [begin, end]}, …}
// Offsets in the result are still relative to the end of the header.
class HeaderBuilder final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderBuilder(const std::string& file) : file_(file) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("true or false"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return unexpected("a fractional number"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kShape) {
      if (shape_.size() == kMaxFileRank) refuse("has more than ", kMaxFileRank, " dimensions");
      if (value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) refuse("has a dimension of ", value);
      shape_.push_back(static_cast<std::int64_t>(value));
    } else if (state_ == State::kOffsets) {
      if (num_offsets_ == offsets_.size()) refuse("has more than two data_offsets");
      offsets_[num_offsets_++] = value;
    } else {
      return unexpected("a number");
    }
    return true;
  }

  bool string(string_t& value) override {
    if (state_ == State::kMetadata) {
      header_.metadata.emplace(key_, std::move(value));
    } else if (state_ == State::kEntry && key_ == "dtype") {
      dtype_ = std::move(value);
    } else {
      return unexpected("a string");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (state_ == State::kOutside) {
      state_ = State::kTop;
    } else if (state_ == State::kTop && key_ == "__metadata__") {
      state_ = State::kMetadata;
    } else if (state_ == State::kTop) {
      begin_entry();
    } else {
      return unexpected("an object");
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::kEntry) end_entry();
    state_ = state_ == State::kTop ? State::kOutside : State::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ != State::kEntry || key_ == "dtype") return unexpected("an array");
    state_ = key_ == "shape" ? State::kShape : State::kOffsets;
    return true;
  }

  bool end_array() override {
    state_ = State::kEntry;
    return true;
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    if (state_ == State::kTop) {
      if (!names_.insert(key_).second) fail(ErrorCode::kInvalidFile, file_, " lists \"", printable(key_), "\" twice");
    } else if (state_ == State::kMetadata) {
      if (header_.metadata.contains(key_))
        fail(ErrorCode::kInvalidFile, file_, " has metadata \"", printable(key_), "\" twice");
    } else {
      note_field();
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    fail(ErrorCode::kInvalidFile, file_, " has a header that is not JSON (byte ", position,
         "): ", printable(error.what()));
  }

 private:
  enum class State { kOutside, kTop, kMetadata, kEntry, kShape, kOffsets };

  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kInvalidFile, file_, ": tensor \"", printable(name_), "\" ", parts...);
  }

  bool unexpected(std::string_view what) const {
    fail(ErrorCode::kInvalidFile, file_, ": ", what, " is out of place in the header, after \"", printable(key_), "\"");
  }

  void begin_entry() {
    state_ = State::kEntry;
    name_ = key_;
    dtype_.clear();
    shape_.clear();
    num_offsets_ = 0;
    seen_.fill(false);
  }

  void note_field() {
    const auto* const field = std::find(kFields.begin(), kFields.end(), key_);
    if (field == kFields.end()) {
      fail(ErrorCode::kUnsupported, file_, ": tensor \"", printable(name_), "\" has the unknown property \"",
           printable(key_), "\"");
    }
    bool& seen = seen_[static_cast<std::size_t>(field - kFields.begin())];
    if (std::exchange(seen, true)) refuse("has \"", key_, "\" twice");
  }

  void end_entry() {
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      if (!seen_[i]) refuse("has no \"", kFields[i], "\"");
    }
    if (num_offsets_ != offsets_.size()) refuse("has ", num_offsets_, " data_offsets, not two");
    if (offsets_[1] < offsets_[0]) refuse("ends at byte ", offsets_[1], ", before it begins at ", offsets_[0]);
    const DType dtype = known_dtype();
    const std::uint64_t num_bytes = offsets_[1] - offsets_[0];
    const auto expected = checked_bytes(dtype, shape_);
    if (!expected) refuse("has a shape whose size overflows");
    if (*expected != num_bytes) refuse("takes ", num_bytes, " bytes, but its shape and dtype need ", *expected);
    header_.tensors.push_back({std::move(name_), dtype, shape_, offsets_[0], num_bytes});
  }

  DType known_dtype() const {
    const auto dtype = parse_dtype(dtype_);
    const bool upper = std::none_of(dtype_.begin(), dtype_.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    if (dtype && upper && !is_quantised(*dtype)) return *dtype;
    const bool known = std::find(kOtherDtypes.begin(), kOtherDtypes.end(), dtype_) != kOtherDtypes.end();
    fail(known ? ErrorCode::kUnsupported : ErrorCode::kInvalidFile, file_, ": tensor \"", printable(name_),
         "\" has the ", known ? "unsupported" : "unknown", " dtype \"", printable(dtype_), "\"");
  }

  static constexpr std::array<std::string_view, 3> kFields = {"dtype", "shape", "data_offsets"};

  // Dtypes that the format has and this engine has no use for.
  static constexpr std::array<std::string_view, 11> kOtherDtypes = {
      "I16", "U16", "U32", "U64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F4", "C64"};

  const std::string& file_;
  SafetensorsHeader header_;
  std::set<std::string> names_;
  State state_ = State::kOutside;
  std::string key_;

  // The entry being read.
  std::string name_;
  std::string dtype_;
  std::vector<std::int64_t> shape_;
  std::array<std::uint64_t, 2> offsets_ = {};
  std::size_t num_offsets_ = 0;
  std::array<bool, kFields.size()> seen_ = {};
};

std::uint64_t read_header_length(const ReadableFile& file) {
  if (file.size() < kLengthBytes) {
    fail(ErrorCode::kInvalidFile, file.name(), " has ", file.size(), " bytes, too few for a safetensors file");
  }
  std::array<std::byte, kLengthBytes> bytes;
  file.read(0, bytes);
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) length |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  if (length > kMaxHeaderBytes) {
    fail(ErrorCode::kInvalidFile, file.name(), " claims a header of ", length, " bytes; it is not a safetensors file");
  }
  if (length > file.size() - kLengthBytes) {
    fail(ErrorCode::kInvalidFile, file.name(), " is truncated: ", length - (file.size() - kLengthBytes),
         " bytes of its header are missing");
  }
  return length;
}

// Makes offsets absolute and checks that the tensors fill [data_begin, end of file) with neither gap nor overlap.
void place_tensors(SafetensorsHeader& header, const ReadableFile& file, std::uint64_t data_begin) {
  sort_by_place(header.tensors);
  const std::uint64_t data_bytes = file.size() - data_begin;
  std::uint64_t end = 0;
  for (TensorInfo& tensor : header.tensors) {
    if (tensor.offset != end) {
      fail(ErrorCode::kInvalidFile, file.name(), ": tensor \"", printable(tensor.name), "\" begins at byte ",
           tensor.offset, " of the data, ",
           tensor.offset < end ? "inside another that ends at " : "leaving a gap after byte ", end);
    }
    end += tensor.num_bytes;
    tensor.offset += data_begin;
  }
  if (end > data_bytes) {
    fail(ErrorCode::kInvalidFile, file.name(), " is truncated: ", end - data_bytes, " of ", end,
         " bytes of tensor data are missing");
  }
  if (end < data_bytes) {
    fail(ErrorCode::kInvalidFile, file.name(), " has ", data_bytes - end, " bytes after the last tensor");
  }
}

}  // namespace

SafetensorsHeader read_safetensors_header(const ReadableFile& file) {
  const std::uint64_t length = read_header_length(file);
  std::string text(length, '\0');
  file.read(kLengthBytes, std::as_writable_bytes(std::span(text)));
  if (!text.starts_with('{')) {
    fail(ErrorCode::kInvalidFile, file.name(),
         " has a header that does not begin with '{'; it is not a safetensors file");
  }
  HeaderBuilder builder(file.name());
  if (!Json::sax_parse(text, &builder)) fail(ErrorCode::kInvalidFile, file.name(), " has a header that is not JSON");
  SafetensorsHeader header = builder.take();
  place_tensors(header, file, kLengthBytes + length);
  return header;
}

}  // namespace steadyflux
