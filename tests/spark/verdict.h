// Whether a picture shows what its prompt asks for.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "spark/judge.h"

namespace steadyflux::spark {

// An entry of tools/spark/prompts.json: a prompt, and what must be right in its picture.
struct Asked {
  struct Object {
    std::string kind;
    std::string colour;
  };
  struct Relation {
    std::size_t a = 0;  // places in `objects`
    std::string name;   // "left of", "right of", "behind", "in front of", "on top of"
    std::size_t b = 0;
  };
  std::string text;
  std::uint64_t seed = 0;
  std::vector<Object> objects;
  std::vector<Relation> relations;
  std::optional<std::string> ground;
  std::optional<std::string> sky;
};

std::vector<Asked> read_prompts(const std::filesystem::path& path);

// Whether `a` is in the relation to `b`. The rule of judge.py's holds().
bool holds(const std::string& relation, const Found& a, const Found& b);

// What is wrong, in words from count, kind, colour, relation, ground and sky; empty for a right picture. Objects found
// are matched with objects asked for in the best way.
std::vector<std::string> faults(const Asked& asked, const Seen& seen);

}  // namespace steadyflux::spark
