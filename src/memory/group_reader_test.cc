#include "memory/group_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "io/direct_file.h"
#include "io/expect_error.h"
#include "io/faulty_file.h"
#include "platform/page_region.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

constexpr std::size_t kBlock = kDirectAlignment;

struct RandomTensor {
  std::string name;
  const char* dtype;
  std::size_t bytes_per_element;
  std::vector<std::int64_t> dims;
  std::string bytes;
};

// A safetensors file whose tensors begin `misalignment` bytes after a multiple of 8, as nobody's writer aligns them now
// but the format allows.
void write_file(const std::filesystem::path& path, const std::vector<RandomTensor>& tensors, std::size_t misalignment) {
  std::string header = "{";
  std::size_t at = 0;
  for (const RandomTensor& tensor : tensors) {
    if (at > 0) header += ',';
    header += '"' + tensor.name + R"(":{"dtype":")" + tensor.dtype + R"(","shape":[)" + std::to_string(tensor.dims[0]) +
              ',' + std::to_string(tensor.dims[1]) + R"(],"data_offsets":[)" + std::to_string(at) + ',' +
              std::to_string(at + tensor.bytes.size()) + "]}";
    at += tensor.bytes.size();
  }
  header += '}';
  while (header.size() % 8 != misalignment) header += ' ';
  const std::uint64_t length = header.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << header;
  for (const RandomTensor& tensor : tensors) file << tensor.bytes;
}

// One file of several groups, whose tensors are of both widths, some smaller than a block and some larger; two groups
// have holes.
class GroupReaderTest : public ::testing::Test {
 protected:
  explicit GroupReaderTest(const std::string& parent = "") : directory_("group_reader", parent) { write(0); }

  void write(std::size_t misalignment) {
    std::mt19937 random(7);
    tensors_.clear();
    groups_ = {{"holes", {}}, {"whole", {}}, {"more holes", {}}};
    for (int i = 0; i < 14; ++i) {
      const bool wide = i % 3 == 0;
      const std::int64_t rows = 1 + static_cast<std::int64_t>(i % 4 == 1 ? random() % 30000 : random() % 60);
      RandomTensor& tensor = tensors_.emplace_back();
      tensor = {"t" + std::to_string(i), wide ? "F32" : "BF16", wide ? 4u : 2u, {rows, 3}, ""};
      tensor.bytes.resize(static_cast<std::size_t>(rows * 3) * tensor.bytes_per_element);
      for (char& c : tensor.bytes) c = static_cast<char>(random());
      const std::size_t group = i >= 5 && i < 9 ? 1 : (i % 2 == 0 ? 0 : 2);
      groups_[group].weights.push_back({tensor.name, {rows, 3}});
    }
    write_file(path_, tensors_, misalignment);
    index_.emplace(WeightIndex::open(directory_.path(), "model"));
    layouts_ = place_groups(*index_, groups_);
  }

  void expect_weights(const GroupLayout& group, const std::byte* memory) const {
    for (const PlacedWeight& weight : group.weights) {
      const RandomTensor& tensor = tensors_[std::stoul(weight.name.substr(1))];
      ASSERT_EQ(weight.values.num_bytes, tensor.bytes.size());
      EXPECT_EQ(weight.values.offset % tensor.bytes_per_element, 0u) << weight.name;
      EXPECT_EQ(std::memcmp(memory + weight.values.offset, tensor.bytes.data(), weight.values.num_bytes), 0)
          << weight.name;
    }
  }

  void expect_all_groups(const OpenForReading& open) const {
    GroupReader reader(*index_, open);
    for (const GroupLayout& group : layouts_) {
      const PageRegion memory(group.num_bytes);
      ASSERT_TRUE(reader.read(group, memory.data()));
      expect_weights(group, memory.data());
    }
  }

  TemporaryDir directory_;
  const std::filesystem::path path_ = directory_.path() / "model.safetensors";
  std::vector<RandomTensor> tensors_;
  std::vector<GroupSpec> groups_;
  std::optional<WeightIndex> index_;
  std::vector<GroupLayout> layouts_;
};

TEST_F(GroupReaderTest, EveryWeightIsInItsPlaceHoweverTheFileAlignsIt) {
  for (std::size_t misalignment = 0; misalignment < 8; ++misalignment) {
    SCOPED_TRACE(misalignment);
    write(misalignment);
    expect_all_groups(open_direct);
    expect_all_groups(open_cached);
  }
}

TEST_F(GroupReaderTest, PartsMakeTheWhole) {
  for (const std::size_t misalignment : {std::size_t{0}, std::size_t{3}}) {
    write(misalignment);
    GroupReader reader(*index_, open_direct);
    for (const GroupLayout& group : layouts_) {
      for (const std::size_t part_bytes : {kBlock, 3 * kBlock}) {
        const PageRegion memory(group.num_bytes);
        for (std::size_t at = 0; at < group.num_bytes; at += part_bytes) {
          const std::size_t count = std::min(part_bytes, group.num_bytes - at);
          ASSERT_TRUE(reader.read_part(group, at, memory.bytes().subspan(at, count)));
        }
        expect_weights(group, memory.data());
      }
    }
  }
}

TEST_F(GroupReaderTest, CountsWhatItReads) {
  GroupReader reader(*index_, open_direct);
  const PageRegion memory(layouts_[1].num_bytes);
  EXPECT_EQ(reader.bytes_read(), 0u);
  ASSERT_TRUE(reader.read(layouts_[1], memory.data()));
  EXPECT_EQ(reader.bytes_read(), layouts_[1].num_bytes);
}

TEST_F(GroupReaderTest, ReadsNothingMoreWhenCancelled) {
  GroupReader reader(*index_, open_direct);
  const PageRegion memory(layouts_[0].num_bytes);
  reader.cancel();
  EXPECT_FALSE(reader.read(layouts_[0], memory.data()));
  EXPECT_EQ(reader.bytes_read(), 0u);
}

TEST_F(GroupReaderTest, AFileThatChangesWhileInUseIsAnErrorThatNamesFileAndByte) {
  GroupReader reader(*index_, open_direct);
  const PageRegion memory(layouts_[0].num_bytes);
  ASSERT_TRUE(reader.read(layouts_[0], memory.data()));
  std::fstream(path_, std::ios::in | std::ios::out | std::ios::binary).seekp(5000).put('x');
  expect_error(ErrorCode::kInvalidFile, path_.string() + " was changed since the model was opened (noticed at byte ",
               [&] { static_cast<void>(reader.read(layouts_[0], memory.data())); });
}

TEST_F(GroupReaderTest, AFileThatShrinksWhileInUseIsAnErrorThatNamesFileAndByte) {
  GroupReader reader(*index_, open_direct);
  const PageRegion memory(layouts_[1].num_bytes);
  std::filesystem::resize_file(path_, kBlock);
  expect_error(ErrorCode::kInvalidFile, path_.string() + " ends before byte ",
               [&] { static_cast<void>(reader.read(layouts_[1], memory.data())); });
}

TEST_F(GroupReaderTest, AFileThatWasReplacedIsRefused) {
  const auto copy = directory_.path() / "copy";
  std::filesystem::copy_file(path_, copy);
  std::filesystem::rename(copy, path_);
  expect_error(ErrorCode::kInvalidFile, path_.string() + " was replaced", [&] { GroupReader(*index_, open_direct); });
  EXPECT_NO_THROW(GroupReader(*index_, open_cached));
}

TEST_F(GroupReaderTest, ARefusedReadNamesFileAndByte) {
  for (std::uint64_t k = 1; k <= 5; ++k) {
    const auto open = [k](const std::shared_ptr<const ReadableFile>& file) {
      return std::make_shared<FaultyFile>(open_direct(file), Faults{.fail_every = k});
    };
    GroupReader reader(*index_, open);
    expect_error(ErrorCode::kIo, path_.string() + " at byte ", [&] {
      for (int i = 0; i < 5; ++i) {
        for (const GroupLayout& group : layouts_) {
          const PageRegion memory(group.num_bytes);
          static_cast<void>(reader.read(group, memory.data()));
        }
      }
    });
  }
}

class GroupReaderInMemoryTest : public GroupReaderTest {
 protected:
  GroupReaderInMemoryTest() : GroupReaderTest("/dev/shm") {}
};

TEST_F(GroupReaderInMemoryTest, ReadsWhereThereIsNoDisk) { expect_all_groups(open_direct); }

}  // namespace
}  // namespace steadyflux
