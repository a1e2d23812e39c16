// Strict JSON: parsed within limits, duplicate keys refused. For .cc files; headers use Config (config.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "io/file.h"

namespace steadyflux {

using Json = nlohmann::json;

// A parsed document can take some thirty times the bytes of its text, so the size limit bounds memory too.
struct JsonLimits {
  std::uint64_t max_bytes = std::uint64_t{8} << 20;
  int max_depth = 64;  // nested arrays and objects
};

// Parses UTF-8 text. `source` is the file named in errors. Throws Error(kInvalidFile) on anything that is not JSON, is
// not UTF-8, is over a limit, or has one key twice in an object.
Json parse_json(std::string_view text, std::string_view source, const JsonLimits& limits = {});

// parse_json of a file's content.
Json read_json(const ReadableFile& file, const JsonLimits& limits = {});
Json read_json(const std::filesystem::path& path, const JsonLimits& limits = {});

}  // namespace steadyflux
