#include "format/json.h"

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "format/printable.h"

namespace steadyflux {
namespace {

// Builds the document from the parser's events. The library's own builder takes duplicate keys and any depth.
class StrictBuilder final : public nlohmann::json_sax<Json> {
 public:
  StrictBuilder(std::string_view source, int max_depth) : source_(source), max_depth_(max_depth) {}

  Json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON text has none
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    if (open_.back()->contains(value)) {
      fail(ErrorCode::kInvalidFile, source_, ": the key \"", printable(value), "\" appears twice in one object");
    }
    key_ = std::move(value);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    fail(ErrorCode::kInvalidFile, source_, " is not JSON (byte ", position, "): ", printable(error.what()));
  }

 private:
  bool put(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (std::cmp_greater_equal(open_.size(), max_depth_)) {
      fail(ErrorCode::kInvalidFile, source_, ": more than ", max_depth_, " nested arrays and objects");
    }
    open_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  // Elements are added to the innermost open container only, so the pointers to the others stay valid.
  Json* place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_object()) return &(parent[std::move(key_)] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }

  std::string_view source_;
  int max_depth_;
  Json root_;
  std::vector<Json*> open_;
  std::string key_;
};

void check_size(std::uint64_t num_bytes, std::string_view source, const JsonLimits& limits) {
  if (num_bytes <= limits.max_bytes) return;
  fail(ErrorCode::kInvalidFile, source, " has ", num_bytes, " bytes of JSON; at most ", limits.max_bytes,
       " are accepted");
}

}  // namespace

Json parse_json(std::string_view text, std::string_view source, const JsonLimits& limits) {
  check_size(text.size(), source, limits);
  StrictBuilder builder(source, limits.max_depth);
  if (!Json::sax_parse(text, &builder)) fail(ErrorCode::kInvalidFile, source, " is not JSON");
  return builder.take();
}

Json read_json(const ReadableFile& file, const JsonLimits& limits) {
  check_size(file.size(), file.name(), limits);
  return parse_json(read_whole_file(file, limits.max_bytes), file.name(), limits);
}

Json read_json(const std::filesystem::path& path, const JsonLimits& limits) {
  return read_json(*open_file(path), limits);
}

}  // namespace steadyflux
