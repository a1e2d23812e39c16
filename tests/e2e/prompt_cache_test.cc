// The prompt cache as a user meets it: the same pictures, encoders left alone, and never a reason to fail.
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "e2e/workspace.h"

namespace steadyflux::e2e {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Counts how often files right below some directories are opened, by whichever process.
class OpenCounter {
 public:
  explicit OpenCounter(const std::vector<fs::path>& directories) : events_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    for (const fs::path& directory : directories) {
      EXPECT_GE(::inotify_add_watch(events_, directory.c_str(), IN_OPEN), 0) << directory;
    }
  }
  ~OpenCounter() { ::close(events_); }
  OpenCounter(const OpenCounter&) = delete;
  OpenCounter& operator=(const OpenCounter&) = delete;

  // Since this was last asked.
  int take() {
    alignas(inotify_event) std::array<char, 65536> buffer;
    int count = 0;
    for (ssize_t got = 0; (got = ::read(events_, buffer.data(), buffer.size())) > 0;) {
      for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
        inotify_event event = {};
        std::memcpy(&event, buffer.data() + at, sizeof event);
        count += (event.mask & IN_ISDIR) == 0;
        at += sizeof event + event.len;
      }
    }
    return count;
  }

 private:
  int events_;
};

class PromptCacheTest : public Workspace {
 protected:
  explicit PromptCacheTest(std::string_view golden_case = "guided_cfg_sharded") : Workspace(golden_case) {
    // What files hold is remembered only when their times are old enough to tell the next change.
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
  }

  fs::path cache() const { return root() / "cache"; }

  struct Run {
    Outcome outcome;
    std::string picture;
    std::string latents;
    int kept_embeddings = 0;
    int kept_modulations = 0;
    std::vector<std::string> phases;
    std::vector<std::string> warnings;
  };

  std::vector<std::string> arguments(const std::string& place, const std::vector<std::string>& more,
                                     const std::string& tag = "picture") const {
    std::vector<std::string> all = {
        "--prompt-cache",         place,      "--out",          file(tag, "png"), "--latents-out",
        file(tag, "safetensors"), "--report", file(tag, "json")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  Run generate_with(const std::string& place, const std::vector<std::string>& more = {}) const {
    return read_run(generate(arguments(place, more)), "picture");
  }

  Run read_run(const Outcome& outcome, const std::string& tag) const {
    Run run;
    run.outcome = outcome;
    expect_done(outcome);
    if (outcome.exit_code != 0) return run;
    run.picture = read_text(file(tag, "png"));
    run.latents = read_text(file(tag, "safetensors"));
    const Json report = Json::parse(read_text(file(tag, "json")));
    run.kept_embeddings = report.at("prompt_cache").at("kept_embeddings");
    run.kept_modulations = report.at("prompt_cache").at("kept_modulations");
    for (const Json& phase : report.at("phases")) run.phases.push_back(phase.at("name"));
    run.warnings = report.at("warnings");
    return run;
  }

  std::vector<fs::path> entries() const {
    std::vector<fs::path> paths;
    if (!fs::exists(cache())) return paths;
    for (const auto& entry : fs::directory_iterator(cache())) paths.push_back(entry.path());
    return paths;
  }

 private:
  std::string file(const std::string& tag, const char* extension) const {
    return (out() / (tag + '.' + extension)).string();
  }
};

const std::vector<std::string> kAllPhases = {"encode", "modulate", "denoise", "decode"};
const std::vector<std::string> kLastPhases = {"denoise", "decode"};

TEST_F(PromptCacheTest, AHitGivesTheBitsOfAMissAndOfNoCache) {
  for (const std::string dtype : {"f32", "bf16"}) {
    const std::vector<std::string> flags = {"--dtype", dtype, "--true-cfg", "2", "--negative", "blurry"};
    const Run none = generate_with("off", flags);
    const Run miss = generate_with(cache().string(), flags);
    const Run hit = generate_with(cache().string(), flags);
    EXPECT_EQ(none.phases, kAllPhases);
    EXPECT_EQ(miss.phases, kAllPhases);
    EXPECT_EQ(hit.phases, kLastPhases);
    EXPECT_EQ(miss.kept_modulations, 0);
    EXPECT_EQ(hit.kept_embeddings, 2);
    EXPECT_EQ(hit.kept_modulations, 2);
    for (const Run* run : {&miss, &hit}) {
      EXPECT_EQ(run->picture, none.picture);
      EXPECT_EQ(run->latents, none.latents);
      EXPECT_TRUE(run->warnings.empty()) << run->warnings[0];
    }
  }
}

TEST_F(PromptCacheTest, ACachedPromptOpensNoFileOfEncodersOrTokenizers) {
  OpenCounter opened(
      {model() / "text_encoder", model() / "text_encoder_2", model() / "tokenizer", model() / "tokenizer_2"});
  generate_with(cache().string());
  EXPECT_GT(opened.take(), 0);
  const Run hit = generate_with(cache().string(), {"--seed", "9"});
  EXPECT_EQ(opened.take(), 0);
  EXPECT_EQ(hit.phases, kLastPhases);
  // Another schedule needs another modulation, but the same embeddings.
  const Run other_steps = generate_with(cache().string(), {"--steps", "3"});
  EXPECT_EQ(opened.take(), 0);
  EXPECT_EQ(other_steps.phases, (std::vector<std::string>{"modulate", "denoise", "decode"}));
}

// What one device computed the other would compute too, bit for bit, so that they share entries.
TEST_F(PromptCacheTest, ADeviceWithMemoryOfItsOwnFillsItAndReadsIt) {
  const Run on_host = generate_with("off");
  const std::vector<std::string> device = {"--device", "simulated", "--vram", "auto"};
  const Run miss = generate_with(cache().string(), device);
  EXPECT_EQ(miss.phases, kAllPhases);
  OpenCounter opened(
      {model() / "text_encoder", model() / "text_encoder_2", model() / "tokenizer", model() / "tokenizer_2"});
  const Run hit = generate_with(cache().string(), device);
  const Run hit_on_host = generate_with(cache().string());
  EXPECT_EQ(opened.take(), 0);
  for (const Run* run : {&miss, &hit, &hit_on_host}) {
    EXPECT_EQ(run->picture, on_host.picture);
    EXPECT_EQ(run->latents, on_host.latents);
    EXPECT_TRUE(run->warnings.empty());
  }
  EXPECT_EQ(hit.phases, kLastPhases);
  EXPECT_EQ(hit_on_host.phases, kLastPhases);
}

TEST_F(PromptCacheTest, EncodesOnlyWhatItDoesNotKnow) {
  generate_with(cache().string(), {"--prompt-2", "a red fox"});
  const Run other = generate_with(cache().string(), {"--prompt-2", "a blue fox"});
  EXPECT_EQ(other.kept_embeddings, 0);
  const std::vector<std::string> both = {"--prompt-2", "a blue fox", "--true-cfg", "2", "--negative", "rain"};
  const Run some = generate_with(cache().string(), both);
  EXPECT_EQ(some.kept_embeddings, 1);
  EXPECT_EQ(some.kept_modulations, 1);
  EXPECT_EQ(some.phases, kAllPhases);
  EXPECT_EQ(some.latents, generate_with("off", both).latents);
}

TEST_F(PromptCacheTest, EncodeFillsItAndReadsIt) {
  const std::string first = (out() / "first.safetensors").string();
  const std::string second = (out() / "second.safetensors").string();
  const auto encode = [&](const std::string& to) {
    return run(
        {"encode", "--model", model().string(), "--prompt", "a fox", "--out", to, "--prompt-cache", cache().string()});
  };
  expect_done(encode(first));
  OpenCounter opened({model() / "text_encoder", model() / "text_encoder_2"});
  expect_done(encode(second));
  EXPECT_EQ(opened.take(), 0);
  EXPECT_EQ(read_text(second), read_text(first));
}

TEST_F(PromptCacheTest, KeepsTheModulationOfEmbeddingsFromAFile) {
  const std::string embeds = (out() / "embeds.safetensors").string();
  expect_done(run({"encode", "--model", model().string(), "--prompt", "a fox", "--out", embeds}));
  const std::vector<std::string> flags = {
      "generate", "--model", model().string(), "--embeds", embeds, "--size", "64x32", "--steps", "2", "--seed", "7"};
  const auto with = [&](const std::string& place) {
    std::vector<std::string> all = flags;
    for (std::string& flag : arguments(place, {})) all.push_back(std::move(flag));
    return read_run(run(all), "picture");
  };
  const Run none = with("off");
  with(cache().string());
  const Run hit = with(cache().string());
  EXPECT_EQ(hit.phases, kLastPhases);
  EXPECT_EQ(hit.latents, none.latents);
}

TEST_F(PromptCacheTest, RepeatsTheWarningOfACutPrompt) {
  const std::vector<std::string> flags = {"--max-sequence-length", "2"};
  const Run miss = generate_with(cache().string(), flags);
  const Run hit = generate_with(cache().string(), flags);
  EXPECT_EQ(hit.phases, kLastPhases);
  EXPECT_FALSE(miss.warnings.empty());
  EXPECT_EQ(hit.warnings, miss.warnings);
}

TEST_F(PromptCacheTest, NoticesThatAnEncoderChanged) {
  const Run before = generate_with(cache().string());
  const fs::path weights = model() / "text_encoder" / "model.safetensors";
  std::string bytes = read_text(weights);
  bytes[bytes.size() - 2] = static_cast<char>(bytes[bytes.size() - 2] ^ 1);
  write_text(weights, bytes);
  const Run after = generate_with(cache().string());
  EXPECT_EQ(after.kept_embeddings, 0);
  EXPECT_EQ(after.latents, generate_with("off").latents);
}

TEST_F(PromptCacheTest, RebuildsDamagedEntries) {
  const Run good = generate_with(cache().string());
  ASSERT_FALSE(entries().empty());
  for (const fs::path& path : entries()) {
    std::string bytes = read_text(path);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_text(path, bytes);
  }
  const Run rebuilt = generate_with(cache().string());
  EXPECT_EQ(rebuilt.latents, good.latents);
  EXPECT_FALSE(rebuilt.warnings.empty());
  const Run hit = generate_with(cache().string());
  EXPECT_EQ(hit.phases, kLastPhases);
  EXPECT_EQ(hit.latents, good.latents);
  EXPECT_TRUE(hit.warnings.empty());
}

// Damage that only reading finds: what was planned as kept is computed after all.
TEST_F(PromptCacheTest, RebuildsEntriesThatProveDamagedOnlyWhenRead) {
  const Run good = generate_with(cache().string());
  for (const fs::path& path : entries()) {
    if (fs::file_size(path) < 1000) continue;  // not what is remembered of files
    std::string bytes = read_text(path);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_text(path, bytes);
  }
  const Run rebuilt = generate_with(cache().string());
  EXPECT_EQ(rebuilt.phases, kAllPhases);
  EXPECT_EQ(rebuilt.latents, good.latents);
  EXPECT_EQ(rebuilt.warnings.size(), 2u);
}

TEST_F(PromptCacheTest, AnUnusableDirectoryIsAWarning) {
  write_text(root() / "file", "no directory");
  const Run run = generate_with((root() / "file").string());
  EXPECT_EQ(run.latents, generate_with("off").latents);
  EXPECT_EQ(run.warnings.size(), 1u);
}

TEST_F(PromptCacheTest, AReadOnlyDirectoryIsAWarning) {
  fs::create_directory(cache());
  fs::permissions(cache(), fs::perms::owner_read | fs::perms::owner_exec);
  Surroundings surroundings;
  surroundings.respect_permissions = true;
  const Run run = read_run(generate(arguments(cache().string(), {}), surroundings), "picture");
  fs::permissions(cache(), fs::perms::owner_all);
  EXPECT_EQ(run.warnings.size(), 1u);
  EXPECT_TRUE(entries().empty());
}

TEST_F(PromptCacheTest, IsSharedByEightProcessesAtOnce) {
  const Run none = generate_with("off");
  std::vector<std::unique_ptr<Program>> programs;
  for (int i = 0; i < 8; ++i) {
    programs.push_back(
        std::make_unique<Program>(generate_arguments(arguments(cache().string(), {}, "of" + std::to_string(i)))));
  }
  for (int i = 0; i < 8; ++i) {
    const Run run = read_run(programs[static_cast<std::size_t>(i)]->finish(), "of" + std::to_string(i));
    EXPECT_EQ(run.picture, none.picture);
    EXPECT_EQ(run.latents, none.latents);
    EXPECT_TRUE(run.warnings.empty());
  }
  const Run hit = generate_with(cache().string());
  EXPECT_EQ(hit.phases, kLastPhases);
  EXPECT_EQ(hit.latents, none.latents);
}

TEST_F(PromptCacheTest, IsOffWhenToldSo) {
  Surroundings surroundings;
  surroundings.environment = {"XDG_CACHE_HOME=" + (root() / "home").string()};
  expect_done(generate({"--prompt-cache", "off"}, surroundings));
  EXPECT_FALSE(fs::exists(root() / "home"));
}

}  // namespace
}  // namespace steadyflux::e2e
