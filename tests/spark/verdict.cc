#include "spark/verdict.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "io/file.h"

namespace steadyflux::spark {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMostBytes = 1U << 20U;

std::optional<std::string> text_at(const Json& entry, const char* key) {
  if (!entry.contains(key)) return std::nullopt;
  return entry.at(key).get<std::string>();
}

Asked parse(const Json& entry) {
  Asked asked{entry.at("text"), entry.at("seed"), {}, {}, text_at(entry, "ground"), text_at(entry, "sky")};
  for (const Json& object : entry.at("objects")) asked.objects.push_back({object.at("kind"), object.at("colour")});
  for (const Json& relation : entry.at("relations")) {
    asked.relations.push_back({relation.at(0), relation.at(1), relation.at(2)});
  }
  return asked;
}

// The faults when the i-th object asked for is `objects[order[i]]`.
std::vector<std::string> object_faults(const Asked& asked, const std::vector<Found>& objects,
                                       const std::vector<std::size_t>& order) {
  std::vector<std::string> wrong;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (asked.objects[i].kind != objects[order[i]].kind) wrong.emplace_back("kind");
    if (asked.objects[i].colour != objects[order[i]].colour) wrong.emplace_back("colour");
  }
  for (const Asked::Relation& relation : asked.relations) {
    if (!holds(relation.name, objects[order[relation.a]], objects[order[relation.b]])) wrong.emplace_back("relation");
  }
  return wrong;
}

}  // namespace

std::vector<Asked> read_prompts(const std::filesystem::path& path) {
  std::vector<Asked> prompts;
  for (const Json& entry : Json::parse(read_whole_file(path, kMostBytes))) prompts.push_back(parse(entry));
  return prompts;
}

bool holds(const std::string& relation, const Found& a, const Found& b) {
  const double apart = std::abs(a.x - b.x);
  const double beyond = a.z - b.z;
  if (relation == "on top of") return a.y - b.y > 0.4 && apart < 0.6 && std::abs(beyond) < 0.9;
  if (relation == "left of" || relation == "right of") {
    const double aside = (a.left + a.right - b.left - b.right) / 2;
    const double widths = (a.right - a.left + b.right - b.left) / 2;
    return (relation == "right of" ? aside : -aside) > 0.5 * widths;
  }
  return (relation == "behind" ? beyond : -beyond) > std::max(0.8, 0.8 * apart);
}

std::vector<std::string> faults(const Asked& asked, const Seen& seen) {
  std::vector<std::string> wrong;
  if (seen.objects.size() != asked.objects.size()) {
    wrong.emplace_back("count");
  } else {
    std::vector<std::size_t> order(seen.objects.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    wrong = object_faults(asked, seen.objects, order);
    while (std::next_permutation(order.begin(), order.end())) {
      std::vector<std::string> other = object_faults(asked, seen.objects, order);
      if (other.size() < wrong.size()) wrong = std::move(other);
    }
  }
  if (asked.ground && *asked.ground != seen.ground) wrong.emplace_back("ground");
  if (asked.sky && *asked.sky != seen.sky) wrong.emplace_back("sky");
  return wrong;
}

}  // namespace steadyflux::spark
