// A scratch directory for one test, with a small model in it that the test may damage.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "e2e/program.h"

namespace steadyflux::e2e {

// Made anew for each test: model/ is a copy of a golden case's model, out/ is empty.
class Workspace : public ::testing::Test {
 protected:
  // Which golden model: small ones, computed in milliseconds.
  explicit Workspace(std::string_view golden_case = "double_only");
  ~Workspace() override;

  std::filesystem::path model() const { return root_ / "model"; }
  std::filesystem::path out() const { return root_ / "out"; }
  std::filesystem::path root() const { return root_; }

  // "generate" with the model, a prompt, a small size, a seed, few steps and out/picture.png, then `more`.
  std::vector<std::string> generate_arguments(const std::vector<std::string>& more = {}) const;
  Outcome generate(const std::vector<std::string>& more = {}, const Surroundings& surroundings = {}) const;

  // The names in out/, hidden ones too, in alphabetical order.
  std::vector<std::string> files_out() const;

 private:
  std::filesystem::path root_;
};

// The directory of a golden case's model.
std::filesystem::path golden_model(std::string_view golden_case);

std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, std::string_view text);

// Reads the JSON file, lets `change` work on it and writes it back.
void edit_json(const std::filesystem::path& path, const std::function<void(nlohmann::ordered_json&)>& change);

// A safetensors file taken apart: header and tensor bytes.
struct TakenApart {
  nlohmann::ordered_json header;
  std::string data;
};
TakenApart take_apart(const std::filesystem::path& path);
// Writes it back as it is, whatever nonsense the header has become.
void put_together(const std::filesystem::path& path, const TakenApart& parts);

// The command refused: exit code, every needle on stderr, nothing on stdout, and no sign of a crash, a sanitizer, a
// broken promise of our own or of memory that ran away.
void expect_refused(const Outcome& outcome, int exit_code, std::initializer_list<std::string_view> needles);

// The command ran to its end without complaint.
void expect_done(const Outcome& outcome);

}  // namespace steadyflux::e2e
