#include "format/gguf_metadata.h"

#include <limits>
#include <sstream>
#include <type_traits>

#include "base/checked.h"
#include "format/gguf_types.h"
#include "format/printable.h"

namespace steadyflux {
namespace {

constexpr int kMaxArrayDepth = 4;

GgufArray read_array(GgufCursor& in, const std::string& key, int depth);

GgufValue read_value(GgufCursor& in, const std::string& key, GgufType type, int depth) {
  constexpr std::string_view kWhat = "a metadata value";
  switch (type) {
    case GgufType::kU8:
      return std::uint64_t{in.take<std::uint8_t>(kWhat)};
    case GgufType::kU16:
      return std::uint64_t{in.take<std::uint16_t>(kWhat)};
    case GgufType::kU32:
      return std::uint64_t{in.take<std::uint32_t>(kWhat)};
    case GgufType::kU64:
      return in.take<std::uint64_t>(kWhat);
    case GgufType::kI8:
      return std::int64_t{in.take<std::int8_t>(kWhat)};
    case GgufType::kI16:
      return std::int64_t{in.take<std::int16_t>(kWhat)};
    case GgufType::kI32:
      return std::int64_t{in.take<std::int32_t>(kWhat)};
    case GgufType::kI64:
      return in.take<std::int64_t>(kWhat);
    case GgufType::kF32:
      return double{in.take<float>(kWhat)};
    case GgufType::kF64:
      return in.take<double>(kWhat);
    case GgufType::kBool:
      return in.take<std::uint8_t>(kWhat) != 0;
    case GgufType::kString:
      return in.take_string(kWhat);
    case GgufType::kArray:
      return read_array(in, key, depth + 1);
  }
  in.refuse("metadata \"", printable(key), "\" is of the unknown type ", static_cast<std::uint32_t>(type));
}

void keep_integer(const GgufValue& value, GgufArray& array) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) array.integers.push_back(*number);
  const auto* number = std::get_if<std::uint64_t>(&value);
  if (number != nullptr && *number <= std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    array.integers.push_back(static_cast<std::int64_t>(*number));
  }
}

GgufArray read_array(GgufCursor& in, const std::string& key, int depth) {
  if (depth > kMaxArrayDepth) in.refuse("metadata \"", printable(key), "\" nests arrays too deep");
  const auto type = static_cast<GgufType>(in.take<std::uint32_t>("the type of an array"));
  GgufArray array{in.take<std::uint64_t>("the length of an array"), {}};
  if (const std::uint64_t value_bytes = gguf_value_bytes(type); value_bytes > 0) {
    if (array.count > kMaxFileRank) {
      const auto bytes = checked_mul(array.count, value_bytes);
      in.skip(bytes.value_or(std::numeric_limits<std::uint64_t>::max()), "an array");
      return array;
    }
    for (std::uint64_t i = 0; i < array.count; ++i) keep_integer(read_value(in, key, type, depth), array);
    if (array.integers.size() != array.count) array.integers.clear();
    return array;
  }
  // Strings have 8 bytes at least, and arrays 12; a count beyond that ends at the end of the file.
  for (std::uint64_t i = 0; i < array.count; ++i) {
    if (type == GgufType::kString) {
      in.skip(in.take<std::uint64_t>("a string of an array"), "a string of an array");
    } else {
      read_value(in, key, type, depth);
    }
  }
  return array;
}

}  // namespace

GgufMetadata read_gguf_metadata(GgufCursor& in, std::uint64_t count) {
  GgufMetadata metadata;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string key = in.take_string("a metadata key");
    const auto type = static_cast<GgufType>(in.take<std::uint32_t>("the type of a metadata value"));
    const auto [it, added] = metadata.try_emplace(key);
    if (!added) in.refuse("metadata \"", printable(key), "\" is there twice");
    it->second = read_value(in, key, type, 0);
  }
  return metadata;
}

std::string to_string(const GgufValue& value) {
  std::ostringstream text;
  text << std::boolalpha;
  std::visit(
      [&](const auto& content) {
        if constexpr (std::is_same_v<std::decay_t<decltype(content)>, GgufArray>) {
          text << content.count << " elements";
        } else {
          text << content;
        }
      },
      value);
  return text.str();
}

}  // namespace steadyflux
