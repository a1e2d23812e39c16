#include "pipeline/cache/cache_directory.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <numeric>
#include <thread>

#include "io/file.h"
#include "platform/process.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

Digest key_of(std::uint64_t number) { return {0x123456789abcdef0, number}; }

// An entry of one bf16 tensor [1, size] and a small second one, all bytes telling `number`.
class Entry {
 public:
  explicit Entry(std::uint64_t number, std::size_t size = 5) : first_(2 * size), second_(12) {
    std::iota(reinterpret_cast<unsigned char*>(first_.data()),
              reinterpret_cast<unsigned char*>(first_.data() + first_.size()), static_cast<unsigned char>(number));
    second_[3] = static_cast<std::byte>(number);
    specs_ = {{"first", DType::kBF16, {1, static_cast<std::int64_t>(size)}}, {"second", DType::kF32, {3}}};
    notes_ = {{"warnings", "of entry " + std::to_string(number)}};
  }

  std::vector<TensorBytes> tensors() const { return {{specs_[0], first_}, {specs_[1], second_}}; }
  const std::map<std::string, std::string>& notes() const { return notes_; }

  // Whether the cache has an entry under `key`, and it is this one.
  struct Found {
    bool any = false;
    bool same = false;
  };
  Found look(CacheDirectory& cache, const Digest& key) const {
    std::vector<std::byte> first(first_.size());
    std::vector<std::byte> second(second_.size());
    const auto notes = cache.read(key, std::vector<TensorTarget>{{specs_[0], first}, {specs_[1], second}});
    return {notes.has_value(), first == first_ && second == second_ && notes == notes_};
  }

 private:
  std::vector<std::byte> first_;
  std::vector<std::byte> second_;
  std::vector<TensorSpec> specs_;
  std::map<std::string, std::string> notes_;
};

void store(CacheDirectory& cache, std::uint64_t number, std::size_t size = 5) {
  const Entry entry(number, size);
  cache.store(key_of(number), entry.tensors(), entry.notes());
}

bool holds(CacheDirectory& cache, std::uint64_t number, std::size_t size = 5) {
  return Entry(number, size).look(cache, key_of(number)).same;
}

// Runs `body` in a child process; true when it returned true.
template <typename Body>
pid_t in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  return child;
}

bool succeeded(pid_t child) {
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class CacheDirectoryTest : public testing::Test {
 protected:
  std::uint64_t bytes_on_disk() const {
    std::uint64_t sum = 0;
    for (const auto& file : fs::directory_iterator(directory_)) sum += file.file_size();
    return sum;
  }
  std::size_t num_files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }
  fs::path path(std::uint64_t number) const { return directory_ / (key_of(number).to_hex() + ".safetensors"); }
  std::string content(std::uint64_t number) const { return read_whole_file(path(number), 1 << 20); }
  void overwrite(std::uint64_t number, std::string_view bytes) const {
    std::ofstream(path(number), std::ios::binary | std::ios::trunc) << bytes;
  }

  TemporaryDir temporary_{"cache_directory_test"};
  const fs::path directory_ = temporary_.path() / "below/prompts";
};

TEST_F(CacheDirectoryTest, GivesBackWhatWasStored) {
  CacheDirectory cache(directory_);
  EXPECT_FALSE(holds(cache, 1));
  store(cache, 1);
  store(cache, 2, 100000);
  EXPECT_TRUE(holds(cache, 1));
  EXPECT_TRUE(holds(cache, 2, 100000));
  EXPECT_TRUE(cache.has(key_of(2)));
  EXPECT_FALSE(holds(cache, 3));
  EXPECT_FALSE(cache.has(key_of(3)));
  CacheDirectory later(directory_);
  EXPECT_TRUE(holds(later, 1));
  EXPECT_TRUE(cache.take_warnings().empty());
}

TEST_F(CacheDirectoryTest, KeepsNotesAlone) {
  CacheDirectory cache(directory_);
  cache.store(key_of(1), {}, {{"content", "x"}});
  const auto notes = cache.read(key_of(1), {});
  ASSERT_TRUE(notes);
  EXPECT_EQ(notes->at("content"), "x");
}

TEST_F(CacheDirectoryTest, IsNothingWithoutAPath) {
  CacheDirectory cache({});
  EXPECT_FALSE(cache.enabled());
  store(cache, 1);
  EXPECT_FALSE(holds(cache, 1));
  EXPECT_TRUE(cache.take_warnings().empty());
}

// All but those of the padding behind the header, which say nothing.
TEST_F(CacheDirectoryTest, SeesEveryFlippedByte) {
  constexpr std::size_t kPaddingBytes = 7;
  CacheDirectory cache(directory_);
  store(cache, 1);
  const std::string good = content(1);
  const Entry entry(1);
  for (const int flip : {0xFF, 0x01, 0x20}) {
    std::size_t num_unseen = 0;
    for (std::size_t at = 0; at < good.size(); ++at) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      overwrite(1, bad);
      const Entry::Found found = entry.look(cache, key_of(1));
      EXPECT_TRUE(!found.any || found.same) << "byte " << at << " of " << good.size();
      EXPECT_EQ(cache.take_warnings().size(), found.any ? 0u : 1u);
      EXPECT_EQ(cache.has(key_of(1)), found.any);
      num_unseen += found.any;
    }
    EXPECT_LE(num_unseen, kPaddingBytes);
  }
  store(cache, 1);
  EXPECT_TRUE(holds(cache, 1));
}

TEST_F(CacheDirectoryTest, SeesEveryTruncation) {
  CacheDirectory cache(directory_);
  store(cache, 1);
  const std::string good = content(1);
  for (std::size_t length = 0; length < good.size(); ++length) {
    overwrite(1, std::string_view(good).substr(0, length));
    EXPECT_FALSE(holds(cache, 1)) << length;
    EXPECT_EQ(cache.take_warnings().size(), 1u);
  }
  overwrite(1, good + '\0');
  EXPECT_FALSE(holds(cache, 1));
}

TEST_F(CacheDirectoryTest, SeesAnEntryOfAnotherKeyOrShape) {
  CacheDirectory cache(directory_);
  store(cache, 1);
  fs::copy(path(1), path(2));
  EXPECT_FALSE(Entry(1).look(cache, key_of(2)).any);
  std::vector<std::byte> memory(22);
  const std::vector<TensorTarget> transposed = {{{"first", DType::kBF16, {5, 1}}, std::span(memory).first(10)},
                                                {{"second", DType::kF32, {3}}, std::span(memory).last(12)}};
  EXPECT_FALSE(cache.read(key_of(1), transposed));
}

// Times of files are set rather than waited for.
TEST_F(CacheDirectoryTest, RemovesWhatWasNotUsedForLongest) {
  CacheDirectory unlimited(directory_);
  const auto now = fs::file_time_type::clock::now();
  for (std::uint64_t number = 1; number <= 4; ++number) {
    store(unlimited, number, 1000);
    fs::last_write_time(path(number), now - std::chrono::hours(10 - number));
  }
  const std::uint64_t size = fs::file_size(path(1));
  EXPECT_TRUE(holds(unlimited, 2, 1000));  // and is now the one used last

  CacheDirectory cache(directory_, 4 * size);
  store(cache, 5, 1000);
  EXPECT_EQ(bytes_on_disk(), 4 * size);
  EXPECT_FALSE(holds(cache, 1, 1000));
  store(cache, 6, 1000);
  EXPECT_FALSE(holds(cache, 3, 1000));
  EXPECT_TRUE(holds(cache, 2, 1000));
  EXPECT_TRUE(holds(cache, 4, 1000));
  EXPECT_TRUE(holds(cache, 5, 1000));
  EXPECT_TRUE(holds(cache, 6, 1000));
}

TEST_F(CacheDirectoryTest, StaysWithinItsLimit) {
  constexpr std::uint64_t kLimit = 20000;
  CacheDirectory cache(directory_, kLimit);
  for (std::uint64_t number = 1; number <= 50; ++number) {
    store(cache, number, 100 * number);
    EXPECT_LE(bytes_on_disk(), kLimit);
    EXPECT_TRUE(holds(cache, number, 100 * number));
  }
  store(cache, 51, kLimit);
  EXPECT_FALSE(holds(cache, 51, kLimit));
  EXPECT_TRUE(holds(cache, 50, 5000));
}

TEST_F(CacheDirectoryTest, LeavesOtherFilesAlone) {
  fs::create_directories(directory_);
  std::ofstream(directory_ / "precious.safetensors") << std::string(5000, 'x');
  std::ofstream(directory_ / ("." + key_of(7).to_hex() + ".safetensors.1.0.tmp")) << "being written";
  const fs::path abandoned = directory_ / ("." + key_of(8).to_hex() + ".safetensors.1.0.tmp");
  std::ofstream(abandoned) << "of a process that is gone";
  fs::last_write_time(abandoned, fs::file_time_type::clock::now() - std::chrono::hours(48));
  CacheDirectory cache(directory_, 1000);
  for (std::uint64_t number = 1; number <= 5; ++number) store(cache, number);
  EXPECT_EQ(fs::file_size(directory_ / "precious.safetensors"), 5000u);
  EXPECT_TRUE(fs::exists(directory_ / ("." + key_of(7).to_hex() + ".safetensors.1.0.tmp")));
  EXPECT_FALSE(fs::exists(abandoned));
}

// In a child without root's right to write anywhere.
TEST_F(CacheDirectoryTest, ReadsFromAReadOnlyDirectoryAndWarnsOnce) {
  CacheDirectory writer(directory_);
  store(writer, 1);
  const auto used = fs::last_write_time(path(1));
  constexpr fs::perms kReadAndEnter = static_cast<fs::perms>(0555);
  for (const fs::path& path : {temporary_.path(), directory_.parent_path(), directory_, path(1)}) {
    fs::permissions(path, kReadAndEnter);
  }
  EXPECT_TRUE(succeeded(in_child([&] {
    constexpr uid_t kNobody = 65534;
    if (::getuid() == 0 && ::setuid(kNobody) != 0) return false;
    CacheDirectory cache(directory_);
    const bool hit = holds(cache, 1);
    store(cache, 2);
    store(cache, 3);
    return hit && !holds(cache, 2) && cache.take_warnings().size() == 1;
  })));
  EXPECT_EQ(fs::last_write_time(path(1)), used);
  for (const fs::path& path : {temporary_.path(), directory_.parent_path(), directory_}) {
    fs::permissions(path, fs::perms::owner_all);
  }
  EXPECT_EQ(num_files(), 1u);
}

TEST_F(CacheDirectoryTest, RunsWithoutADirectoryThatIsAFile) {
  std::ofstream(temporary_.path() / "file") << "no directory";
  CacheDirectory cache(temporary_.path() / "file");
  EXPECT_FALSE(holds(cache, 1));
  store(cache, 1);
  EXPECT_FALSE(holds(cache, 1));
  EXPECT_EQ(cache.take_warnings().size(), 1u);
}

// A limit of file sizes is a full disk that needs no rights.
TEST_F(CacheDirectoryTest, DropsAnEntryThatTheDiskHasNoRoomFor) {
  CacheDirectory before(directory_);
  store(before, 1);
  EXPECT_TRUE(succeeded(in_child([&] {
    ignore_file_size_signal();
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    CacheDirectory cache(directory_);
    store(cache, 2, 100000);
    store(cache, 3, 100000);
    return holds(cache, 1) && !holds(cache, 2, 100000) && cache.take_warnings().size() == 1;
  })));
  EXPECT_EQ(num_files(), 1u);
}

// The same on a disk that is really full, where this process may mount one.
TEST_F(CacheDirectoryTest, DropsAnEntryWhenTheFileSystemIsFull) {
  fs::create_directories(directory_);
  const bool small_disk = ::mount("none", directory_.c_str(), "tmpfs", 0, "size=64k") == 0;
  CacheDirectory cache(directory_, small_disk ? CacheDirectory::kDefaultMaxBytes : 65536);
  for (std::uint64_t number = 1; number <= 8; ++number) store(cache, number, 8000);
  EXPECT_TRUE(holds(cache, 1, 8000) || !small_disk);
  EXPECT_EQ(holds(cache, 8, 8000), !small_disk);
  EXPECT_EQ(cache.take_warnings().size(), small_disk ? 1u : 0u);
  EXPECT_LE(num_files(), 4u);
  for (const auto& file : fs::directory_iterator(directory_)) {
    EXPECT_EQ(file.path().extension(), ".safetensors") << file.path();
  }
  if (small_disk) ::umount(directory_.c_str());
}

TEST_F(CacheDirectoryTest, IsSharedByEightProcessesAtOnce) {
  constexpr std::uint64_t kProcesses = 8;
  constexpr std::uint64_t kKeys = 12;
  constexpr std::uint64_t kLimit = 40000;  // some of the entries: processes remove under each other's hands
  std::vector<pid_t> children;
  for (std::uint64_t process = 0; process < kProcesses; ++process) {
    children.push_back(in_child([&] {
      CacheDirectory cache(directory_, kLimit);
      for (std::uint64_t i = 0; i < 200; ++i) {
        const std::uint64_t number = (i * 7 + process * 5) % kKeys;
        const Entry entry(number, 2000);
        const Entry::Found found = entry.look(cache, key_of(number));
        if (found.any && !found.same) return false;
        if (!found.any) store(cache, number, 2000);
      }
      return cache.take_warnings().empty();
    }));
  }
  for (const pid_t child : children) EXPECT_TRUE(succeeded(child));
  EXPECT_LE(bytes_on_disk(), kLimit);
  CacheDirectory cache(directory_, kLimit);
  std::size_t num_held = 0;
  for (std::uint64_t number = 0; number < kKeys; ++number) num_held += holds(cache, number, 2000);
  EXPECT_EQ(num_held, num_files());
  EXPECT_GE(num_held, 1u);
  EXPECT_TRUE(cache.take_warnings().empty());
}

}  // namespace
}  // namespace steadyflux
