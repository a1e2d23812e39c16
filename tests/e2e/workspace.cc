#include "e2e/workspace.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "platform/process.h"

namespace steadyflux::e2e {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

// A refusal needs the program and some headers; sanitizers alone take several times that.
constexpr std::uint64_t kMostBytesToRefuse = std::uint64_t{512} << 20;

std::string scratch_name() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string(test->test_suite_name()) + '.' + test->name() + '.' + std::to_string(process_id());
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

}  // namespace

fs::path golden_model(std::string_view golden_case) { return fs::path(STEADYFLUX_GOLDEN_DATA) / golden_case / "model"; }

Workspace::Workspace(std::string_view golden_case) : root_(fs::temp_directory_path() / scratch_name()) {
  fs::remove_all(root_);
  fs::create_directories(root_ / "out");
  fs::copy(golden_model(golden_case), root_ / "model", fs::copy_options::recursive);
}

Workspace::~Workspace() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

std::vector<std::string> Workspace::generate_arguments(const std::vector<std::string>& more) const {
  const auto given = [&](const char* flag) { return std::find(more.begin(), more.end(), flag) != more.end(); };
  std::vector<std::string> arguments = {"generate", "--model", model().string()};
  const auto add_unless_given = [&](const char* flag, const std::string& value) {
    if (!given(flag)) arguments.insert(arguments.end(), {flag, value});
  };
  if (!given("--embeds")) add_unless_given("--prompt", "A red Fox");
  if (!given("--width")) add_unless_given("--size", "64x32");
  add_unless_given("--seed", "7");
  if (!given("--sigmas")) add_unless_given("--steps", "2");
  add_unless_given("--out", (out() / "picture.png").string());
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Outcome Workspace::generate(const std::vector<std::string>& more, const Surroundings& surroundings) const {
  return run(generate_arguments(more), surroundings);
}

std::vector<std::string> Workspace::files_out() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(out())) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::string text(fs::file_size(path), '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  return text;
}

void write_text(const fs::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

void edit_json(const fs::path& path, const std::function<void(Json&)>& change) {
  Json json = Json::parse(read_text(path));
  change(json);
  write_text(path, json.dump());
}

TakenApart take_apart(const fs::path& path) {
  const std::string bytes = read_text(path);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  return {Json::parse(bytes.substr(sizeof header_bytes, header_bytes)),
          bytes.substr(sizeof header_bytes + header_bytes)};
}

void put_together(const fs::path& path, const TakenApart& parts) {
  const std::string header = parts.header.dump();
  const std::uint64_t header_bytes = header.size();
  std::string bytes(sizeof header_bytes, '\0');
  std::memcpy(bytes.data(), &header_bytes, sizeof header_bytes);
  write_text(path, bytes + header + parts.data);
}

void expect_refused(const Outcome& outcome, int exit_code, std::initializer_list<std::string_view> needles) {
  const std::string said = "stderr was:\n" + outcome.err;
  EXPECT_FALSE(outcome.timed_out) << said;
  EXPECT_EQ(outcome.signal, 0) << said;
  EXPECT_EQ(outcome.exit_code, exit_code) << said;
  EXPECT_EQ(outcome.out, "") << said;
  for (const std::string_view needle : needles) {
    EXPECT_TRUE(outcome.err.find(needle) != std::string::npos) << "without '" << needle << "'; " << said;
  }
  for (const char* sign : {"internal error", "unexpected failure", "no memory left", "Sanitizer", "runtime error"}) {
    EXPECT_TRUE(outcome.err.find(sign) == std::string::npos) << said;
  }
  EXPECT_LE(outcome.peak_resident_bytes, kMostBytesToRefuse) << said;
}

void expect_done(const Outcome& outcome) {
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_EQ(outcome.signal, 0);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

}  // namespace steadyflux::e2e
