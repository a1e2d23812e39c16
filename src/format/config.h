// A JSON object read by typed getters that name file and key in their errors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace steadyflux {

// Bounds of an integer, both included.
struct IntRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

// Sizes and counts: at least 1, and small enough that products of a few of them stay far from overflow.
inline constexpr IntRange kCountRange = {1, 1 << 24};

// Holds (and shares between copies) a parsed JSON object. Immutable, so any thread may read it.
//
// A key whose value is null counts as absent. get_x(key, fallback) gives the fallback for an absent key; require_x(key)
// throws Error(kNotFound). A value of another type or outside its range throws Error(kInvalidFile).
class Config {
 public:
  // Throws Error: kNotFound without the file, kInvalidFile when it is not a JSON object.
  static Config load(const std::filesystem::path& path);
  static Config parse(std::string_view text, std::string_view source);

  // The file it came from, with the path of keys down to a section.
  const std::string& source() const;

  bool has(std::string_view key) const;

  // The keys in alphabetical order, those with null values too.
  std::vector<std::string> keys() const;

  std::int64_t require_int(std::string_view key, IntRange range = {}) const;
  std::int64_t get_int(std::string_view key, std::int64_t fallback, IntRange range = {}) const;

  // Any JSON number, which is always finite.
  double require_float(std::string_view key) const;
  double get_float(std::string_view key, double fallback) const;

  bool require_bool(std::string_view key) const;
  bool get_bool(std::string_view key, bool fallback) const;

  std::string require_string(std::string_view key) const;
  std::string get_string(std::string_view key, std::string_view fallback) const;

  // Arrays whose every element has the type; `range` is of each element.
  std::vector<std::int64_t> require_ints(std::string_view key, IntRange range = {}) const;
  std::vector<std::int64_t> get_ints(std::string_view key, std::vector<std::int64_t> fallback,
                                     IntRange range = {}) const;
  std::vector<std::string> require_strings(std::string_view key) const;
  std::vector<std::string> get_strings(std::string_view key, std::vector<std::string> fallback) const;

  // The same where single elements may be null.
  std::vector<std::optional<std::string>> require_nullable_strings(std::string_view key) const;

  // The object under `key`.
  Config require_section(std::string_view key) const;

 private:
  struct Node;
  explicit Config(std::shared_ptr<const Node> node);

  std::shared_ptr<const Node> node_;
};

}  // namespace steadyflux
