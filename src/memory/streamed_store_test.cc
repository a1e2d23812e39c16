#include "memory/streamed_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backend/reference/reference_backend.h"
#include "base/error.h"
#include "format/safetensors.h"
#include "io/faulty_file.h"
#include "memory/resident_store.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

// A checkpoint of groups of unequal size in one file, at extents that are not aligned.
class StreamedStoreTest : public ::testing::Test {
 protected:
  static constexpr int kGroups = 7;

  StreamedStoreTest() : directory_("streamed_store") {
    std::mt19937 random(1);
    std::vector<std::vector<float>> values;
    std::vector<TensorBytes> tensors;
    for (int i = 0; i < kGroups; ++i) {
      const std::int64_t rows = 3 + 997 * (i % 3);
      values.emplace_back(static_cast<std::size_t>(rows * 5));
      for (float& value : values.back()) value = static_cast<float>(random());
      const std::string name = "w" + std::to_string(i);
      tensors.push_back({{name, DType::kF32, {rows, 5}}, std::as_bytes(std::span(values.back()))});
      groups_.push_back({"g" + std::to_string(i), {{name, {rows, 5}}}});
    }
    write_safetensors(directory_.path() / "model.safetensors", tensors);
    index_.emplace(WeightIndex::open(directory_.path(), "model"));
    layouts_ = place_groups(*index_, groups_);
  }

  // Two slots and, with `keep`, every third group resident.
  Residency residency(bool keep) const {
    Residency result;
    for (std::size_t i = 0; i < layouts_.size(); ++i) {
      result.tiers.push_back(keep && i % 3 == 1 ? Tier::kResident : Tier::kStreamed);
      if (result.tiers.back() == Tier::kResident) result.resident_bytes += layouts_[i].num_bytes;
      result.slot_bytes = std::max(result.slot_bytes, layouts_[i].num_bytes);
    }
    result.num_slots = 2;
    return result;
  }

  TemporaryDir directory_;
  std::vector<GroupSpec> groups_;
  std::optional<WeightIndex> index_;
  std::vector<GroupLayout> layouts_;
  std::unique_ptr<Backend> backend_ = make_reference_backend();
};

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape == b.shape && std::memcmp(a.data, b.data, a.num_bytes()) == 0;
}

TEST_F(StreamedStoreTest, GivesTheResidentBytesOnEveryPassAtTheSameAddress) {
  ResidentStore resident(*backend_, *index_, layouts_);
  for (const bool keep : {false, true}) {
    StreamedStore streamed(*backend_, *index_, layouts_, residency(keep), 4);
    std::vector<const std::byte*> places(layouts_.size());
    for (int pass = 0; pass < 4; ++pass) {
      for (std::size_t group = 0; group < layouts_.size(); ++group) {
        const Lease lease = streamed.acquire(group);
        EXPECT_TRUE(same_bytes(lease.tensors()[0], resident.acquire(group).tensors()[0])) << group;
        const std::byte* place = lease.tensors()[0].data;
        EXPECT_EQ(place, pass == 0 ? place : places[group]);
        places[group] = place;
      }
    }
  }
}

TEST_F(StreamedStoreTest, MayBeDroppedInTheMiddleOfAPass) {
  for (std::size_t stop = 0; stop < layouts_.size(); ++stop) {
    StreamedStore streamed(*backend_, *index_, layouts_, residency(false), 1000);
    for (std::size_t group = 0; group < stop; ++group) streamed.acquire(group);
  }
}

TEST_F(StreamedStoreTest, AGroupOutOfOrderIsABugThatIsReported) {
  StreamedStore streamed(*backend_, *index_, layouts_, residency(false), 2);
  EXPECT_THROW(streamed.acquire(2), Error);
}

std::shared_ptr<const ReadableFile> open_failing(const std::shared_ptr<const ReadableFile>& file) {
  return std::make_shared<FaultyFile>(file, Faults{.fail_every = 5});
}

std::shared_ptr<const ReadableFile> open_short_reads(const std::shared_ptr<const ReadableFile>& file) {
  return std::make_shared<FaultyFile>(file, Faults{.max_bytes_per_read = 100});
}

TEST_F(StreamedStoreTest, AReadErrorReachesWhoWaitsAndNamesTheFile) {
  StreamedStore streamed(*backend_, *index_, layouts_, residency(false), 2, open_failing);
  try {
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t group = 0; group < layouts_.size(); ++group) streamed.acquire(group);
    }
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(std::string(error.what()).find("model.safetensors"), std::string::npos) << error.what();
  }
}

TEST_F(StreamedStoreTest, ShortReadsAreContinued) {
  ResidentStore resident(*backend_, *index_, layouts_);
  StreamedStore streamed(*backend_, *index_, layouts_, residency(true), 1, open_short_reads);
  for (std::size_t group = 0; group < layouts_.size(); ++group) {
    EXPECT_TRUE(same_bytes(streamed.acquire(group).tensors()[0], resident.acquire(group).tensors()[0]));
  }
}

TEST_F(StreamedStoreTest, AFileThatChangedSizeIsRefused) {
  std::ofstream(directory_.path() / "model.safetensors", std::ios::app) << "more";
  EXPECT_THROW(StreamedStore(*backend_, *index_, layouts_, residency(false), 1), Error);
}

}  // namespace
}  // namespace steadyflux
