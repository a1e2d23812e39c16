#include "format/config.h"

#include <utility>

#include "base/error.h"
#include "format/json.h"
#include "format/printable.h"

namespace steadyflux {

struct Config::Node {
  std::string source;
  Json object;

  // The value of `key`; null when it is absent or JSON's null.
  const Json* find(std::string_view key) const {
    const auto it = object.find(key);
    return it == object.end() || it->is_null() ? nullptr : &*it;
  }

  const Json& require(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) fail(ErrorCode::kNotFound, source, ": the key \"", printable(key), "\" is missing");
    return *value;
  }

  [[noreturn]] void fail_type(std::string_view key, const Json& value, std::string_view expected) const {
    fail(ErrorCode::kInvalidFile, source, ": \"", printable(key), "\" should be ", expected, ", not ", shown(value));
  }

  static std::string shown(const Json& value) {
    if (value.is_structured()) return value.type_name();
    return printable(value.dump());
  }

  std::int64_t to_int(std::string_view key, const Json& value, IntRange range) const {
    if (!value.is_number_integer()) fail_type(key, value, "an integer");
    const bool fits = !value.is_number_unsigned() ||
                      value.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    const std::int64_t number = fits ? value.get<std::int64_t>() : 0;
    if (!fits || number < range.min || number > range.max) {
      fail(ErrorCode::kInvalidFile, source, ": \"", printable(key), "\" is ", shown(value), ", outside ", range.min,
           " to ", range.max);
    }
    return number;
  }

  double to_float(std::string_view key, const Json& value) const {
    if (!value.is_number()) fail_type(key, value, "a number");
    return value.get<double>();
  }

  bool to_bool(std::string_view key, const Json& value) const {
    if (!value.is_boolean()) fail_type(key, value, "true or false");
    return value.get<bool>();
  }

  std::string to_string(std::string_view key, const Json& value) const {
    if (!value.is_string()) fail_type(key, value, "a string");
    return value.get<std::string>();
  }

  std::vector<std::int64_t> to_ints(std::string_view key, const Json& value, IntRange range) const {
    if (!value.is_array()) fail_type(key, value, "an array of integers");
    std::vector<std::int64_t> result;
    for (const Json& element : value) result.push_back(to_int(key, element, range));
    return result;
  }

  std::vector<std::string> to_strings(std::string_view key, const Json& value) const {
    if (!value.is_array()) fail_type(key, value, "an array of strings");
    std::vector<std::string> result;
    for (const Json& element : value) result.push_back(to_string(key, element));
    return result;
  }
};

Config::Config(std::shared_ptr<const Node> node) : node_(std::move(node)) {}

Config Config::load(const std::filesystem::path& path) {
  const auto file = open_file(path);
  return parse(read_whole_file(*file, JsonLimits{}.max_bytes), file->name());
}

Config Config::parse(std::string_view text, std::string_view source) {
  auto node = std::make_shared<Node>(Node{std::string(source), parse_json(text, source)});
  if (!node->object.is_object()) {
    fail(ErrorCode::kInvalidFile, source, " should be a JSON object, not ", node->object.type_name());
  }
  return Config(std::move(node));
}

const std::string& Config::source() const { return node_->source; }

bool Config::has(std::string_view key) const { return node_->find(key) != nullptr; }

std::vector<std::string> Config::keys() const {
  std::vector<std::string> result;
  for (const auto& item : node_->object.items()) result.push_back(item.key());
  return result;
}

std::int64_t Config::require_int(std::string_view key, IntRange range) const {
  return node_->to_int(key, node_->require(key), range);
}

std::int64_t Config::get_int(std::string_view key, std::int64_t fallback, IntRange range) const {
  const Json* value = node_->find(key);
  return value != nullptr ? node_->to_int(key, *value, range) : fallback;
}

double Config::require_float(std::string_view key) const { return node_->to_float(key, node_->require(key)); }

double Config::get_float(std::string_view key, double fallback) const {
  const Json* value = node_->find(key);
  return value != nullptr ? node_->to_float(key, *value) : fallback;
}

bool Config::require_bool(std::string_view key) const { return node_->to_bool(key, node_->require(key)); }

bool Config::get_bool(std::string_view key, bool fallback) const {
  const Json* value = node_->find(key);
  return value != nullptr ? node_->to_bool(key, *value) : fallback;
}

std::string Config::require_string(std::string_view key) const { return node_->to_string(key, node_->require(key)); }

std::string Config::get_string(std::string_view key, std::string_view fallback) const {
  const Json* value = node_->find(key);
  return value != nullptr ? node_->to_string(key, *value) : std::string(fallback);
}

std::vector<std::int64_t> Config::require_ints(std::string_view key, IntRange range) const {
  return node_->to_ints(key, node_->require(key), range);
}

std::vector<std::int64_t> Config::get_ints(std::string_view key, std::vector<std::int64_t> fallback,
                                           IntRange range) const {
  const Json* value = node_->find(key);
  return value != nullptr ? node_->to_ints(key, *value, range) : std::move(fallback);
}

std::vector<std::string> Config::require_strings(std::string_view key) const {
  return node_->to_strings(key, node_->require(key));
}

std::vector<std::string> Config::get_strings(std::string_view key, std::vector<std::string> fallback) const {
  const Json* value = node_->find(key);
  return value != nullptr ? node_->to_strings(key, *value) : std::move(fallback);
}

std::vector<std::optional<std::string>> Config::require_nullable_strings(std::string_view key) const {
  const Json& value = node_->require(key);
  if (!value.is_array()) node_->fail_type(key, value, "an array of strings");
  std::vector<std::optional<std::string>> result;
  for (const Json& element : value) {
    result.push_back(element.is_null() ? std::nullopt : std::optional(node_->to_string(key, element)));
  }
  return result;
}

Config Config::require_section(std::string_view key) const {
  const Json& value = node_->require(key);
  if (!value.is_object()) node_->fail_type(key, value, "an object");
  return Config(std::make_shared<Node>(Node{node_->source + ": " + std::string(key), value}));
}

}  // namespace steadyflux
