#include "pipeline/find_model.h"

#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "io/file.h"
#include "platform/process.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxLevelsToSource = 4;  // build/release/apps/cli lies four levels below the source tree
constexpr std::uint64_t kMaxRefBytes = 256;

bool is_model(const fs::path& directory) {
  std::error_code ignored;
  return fs::is_regular_file(directory / "model_index.json", ignored);
}

std::vector<fs::path> bundled_places(const std::string& name) {
  const fs::path program = executable_dir();
  std::vector<fs::path> places = {program / "models" / name, program / "../share/steadyflux/models" / name};
  fs::path above = program;
  for (int level = 0; level < kMaxLevelsToSource; ++level) {
    above = above.parent_path();
    places.push_back(above / "models" / name);
  }
  return places;
}

fs::path hub_cache() {
  if (const char* cache = std::getenv("HF_HUB_CACHE")) return cache;
  if (const char* home = std::getenv("HF_HOME")) return fs::path(home) / "hub";
  if (const char* home = std::getenv("HOME")) return fs::path(home) / ".cache/huggingface/hub";
  return {};
}

// "models--org--name" holds refs/main, which names a directory under snapshots/.
std::vector<fs::path> cached_places(const std::string& id) {
  const fs::path cache = hub_cache();
  const auto slash = id.find('/');
  if (cache.empty() || slash == std::string::npos || id.find("..") != std::string::npos) return {};
  const fs::path repository = cache / ("models--" + id.substr(0, slash) + "--" + id.substr(slash + 1));
  const fs::path ref = repository / "refs/main";
  std::error_code ignored;
  if (!fs::is_regular_file(ref, ignored)) return {repository / "snapshots"};
  std::string revision = read_whole_file(ref, kMaxRefBytes);
  while (!revision.empty() && (revision.back() == '\n' || revision.back() == ' ')) revision.pop_back();
  return {repository / "snapshots" / revision};
}

}  // namespace

fs::path find_model(const std::string& model) {
  std::error_code ignored;
  if (fs::is_directory(model, ignored)) return model;
  if (fs::exists(model, ignored)) {
    fail(ErrorCode::kUnsupported, "'", model,
         "' is a file; a model is a directory in the diffusers layout, of which --transformer FILE replaces a part");
  }
  const bool is_path = model.find('/') == std::string::npos ? model.starts_with(".") : model.starts_with("/");
  std::string looked = "'" + model + "'";
  if (!is_path) {
    for (const fs::path& place : model == "spark" ? bundled_places(model) : cached_places(model)) {
      if (is_model(place)) return place;
      looked += ", " + place.string();
    }
  }
  fail(ErrorCode::kNotFound, "no model '", model, "': looked in ", looked,
       "; give --model a directory that holds model_index.json");
}

}  // namespace steadyflux
