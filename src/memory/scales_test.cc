// Weights whose scales lie apart, from the file to where operations find them.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backend/reference/reference_backend.h"
#include "backend/simulated/simulated_device.h"
#include "base/error.h"
#include "io/expect_error.h"
#include "io/memory_file.h"
#include "memory/hashing_source.h"
#include "memory/resident_store.h"
#include "memory/streamed_store.h"

namespace steadyflux {
namespace {

constexpr std::size_t kDataBytes = 60'000;

// A file of random bytes, and weights whose parts lie here and there in it.
class ScalesTest : public ::testing::Test {
 protected:
  ScalesTest() {
    std::string header = R"({"all":{"dtype":"U8","shape":[60000],"data_offsets":[0,60000]}})";
    header.resize(80, ' ');
    content_ = std::string("\x50\0\0\0\0\0\0\0", 8) + header;
    std::mt19937 random(3);
    for (std::size_t i = 0; i < kDataBytes; ++i) content_ += static_cast<char>(random());
    file_ = std::make_shared<MemoryFile>("w.safetensors", content_);

    entries_["nested"] = {DType::kNf4, {300, 64}, at(1003, 300 * 32)};
    entries_["nested"].scales = {at(50'001, 44 + 300), at(30'002, 8), 0.5f, 44};
    entries_["plain"] = {DType::kFp4, {7, 128}, at(20'000, 7 * 64)};
    entries_["plain"].scales.values = at(40'003, 14 * 4);
    entries_["rows"] = {DType::kI8, {9, 33}, at(21'001, 9 * 33)};
    entries_["rows"].scales.values = at(22'000, 36);
    entries_["blocks"] = {DType::kQ8_0, {3, 64}, at(25'005, 3 * 68)};
    entries_["bias"] = {DType::kF32, {5}, at(26'001, 20)};
    groups_ = {{"a", {{"nested", {300, 64}, true}, {"bias", {5}}}},
               {"b", {{"plain", {7, 128}, true}, {"rows", {9, 33}, true}, {"blocks", {3, 64}, true}}}};
    lay_out();
  }

  static Extent at(std::uint64_t offset, std::uint64_t num_bytes) { return {0, 88 + offset, num_bytes}; }

  void lay_out() {
    index_ = std::make_unique<WeightIndex>(WeightIndex("test", {file_}).with_entries(entries_));
    layouts_ = place_groups(*index_, groups_);
  }

  void expect_bytes(Backend& backend, std::byte* found, const Extent& expected, std::size_t alignment) {
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(found) % alignment, 0u);
    std::string bytes(expected.num_bytes, '\0');
    const auto length = static_cast<std::int64_t>(bytes.size());
    backend.download(Tensor(found, DType::kU8, {length}), std::as_writable_bytes(std::span(bytes)));
    EXPECT_EQ(bytes, content_.substr(expected.offset, expected.num_bytes));
  }

  void expect_the_files_content(Backend& backend, WeightSource& store) {
    for (std::size_t group = 0; group < groups_.size(); ++group) {
      const Lease lease = store.acquire(group);
      for (std::size_t i = 0; i < groups_[group].weights.size(); ++i) {
        const WeightEntry& entry = entries_[groups_[group].weights[i].name];
        const Tensor& tensor = lease.tensors()[i];
        SCOPED_TRACE(groups_[group].weights[i].name);
        EXPECT_EQ(tensor.dtype, entry.dtype);
        expect_bytes(backend, tensor.data, entry.values, tensor.dtype == DType::kF32 ? 4 : 1);
        EXPECT_EQ(tensor.scales.first, entry.scales.first);
        EXPECT_EQ(tensor.scales.offset, entry.scales.offset);
        const bool nested = entry.scales.nested.num_bytes > 0;
        EXPECT_EQ(tensor.scales.nested != nullptr, nested);
        EXPECT_EQ(tensor.scales.values != nullptr, has_scales_apart(entry.dtype));
        if (nested) expect_bytes(backend, tensor.scales.nested, entry.scales.nested, 4);
        if (tensor.scales.values != nullptr) {
          expect_bytes(backend, tensor.scales.values, entry.scales.values, nested ? 1 : 4);
        }
      }
    }
  }

  std::optional<Digest> digest(Backend& backend) {
    ResidentStore store(backend, *index_, layouts_);
    HashingSource source(store, backend, layouts_);
    for (std::size_t group = 0; group < groups_.size(); ++group) source.acquire(group);
    return source.digest();
  }

  std::string content_;
  std::shared_ptr<const ReadableFile> file_;
  WeightEntries entries_;
  std::vector<GroupSpec> groups_;
  std::unique_ptr<WeightIndex> index_;
  std::vector<GroupLayout> layouts_;
};

TEST_F(ScalesTest, AreInTheMemoryOfTheGroup) {
  const auto backend = make_reference_backend();
  ResidentStore store(*backend, *index_, layouts_);
  expect_the_files_content(*backend, store);
}

TEST_F(ScalesTest, AreCopiedToADevice) {
  const auto device = make_simulated_device(make_reference_backend, {});
  for (const Tier tier : {Tier::kStaged, Tier::kStreamed}) {
    Residency residency;
    residency.tiers = {tier, tier};
    for (const GroupLayout& layout : layouts_) {
      if (tier == Tier::kStaged) residency.staged_bytes += layout.num_bytes;
      residency.slot_bytes = std::max(residency.slot_bytes, layout.device_bytes);
    }
    residency.num_slots = 1;
    residency.staging_buffer_bytes = 8192;
    residency.num_staging_buffers = 2;
    StreamedStore store(*device, *index_, layouts_, residency, 1, open_cached);
    expect_the_files_content(*device, store);
  }
}

TEST_F(ScalesTest, ArePartOfAWeightsContent) {
  const auto backend = make_reference_backend();
  const auto original = digest(*backend);
  const std::string sound = content_;
  for (const Extent& extent : {entries_["nested"].scales.values, entries_["nested"].scales.nested,
                               entries_["plain"].scales.values, entries_["rows"].scales.values}) {
    content_ = sound;
    content_[extent.offset + extent.num_bytes - 1] ^= 1;
    file_ = std::make_shared<MemoryFile>("w.safetensors", content_);
    lay_out();
    EXPECT_NE(digest(*backend), original) << extent.offset;
  }
  file_ = std::make_shared<MemoryFile>("w.safetensors", sound);
  lay_out();
  EXPECT_EQ(digest(*backend), original);
  entries_["nested"].scales.offset = 0.25f;
  lay_out();
  EXPECT_NE(digest(*backend), original);
}

TEST_F(ScalesTest, OnlyMatricesMayBeQuantised) {
  groups_ = {{"a", {{"plain", {7, 128}}}}};
  expect_error(ErrorCode::kUnsupported, "'plain' is of type fp4; such weights may be f32, f16 or bf16",
               [&] { lay_out(); });
  groups_ = {{"a", {{"rows", {9, 33}, true}}}};
  entries_["rows"].scales = {};
  expect_error(ErrorCode::kUnsupported, "'rows' is of type i8", [&] { lay_out(); });
}

}  // namespace
}  // namespace steadyflux
