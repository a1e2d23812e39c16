#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backend/arena.h"
#include "backend/reference/reference_backend.h"
#include "base/error.h"
#include "io/memory_file.h"
#include "memory/group_layout.h"
#include "memory/resident_store.h"

namespace steadyflux {
namespace {

// A safetensors file in memory: a [2, 3] f32, b [3] f32.
std::shared_ptr<const ReadableFile> two_tensors() {
  std::string header =
      R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F32","shape":[3],"data_offsets":[24,36]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string content(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(content.data(), &length, sizeof length);
  content += header;
  for (int i = 0; i < 9; ++i) {
    const auto value = static_cast<float>(i);
    content.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return std::make_shared<MemoryFile>("two.safetensors", content);
}

WeightIndex two_tensor_index() { return WeightIndex("test", {two_tensors()}); }

TEST(GroupLayout, IsAnImageOfTheFile) {
  const WeightIndex index = two_tensor_index();
  const std::vector<GroupSpec> groups = {{"g", {{"b", {3}}, {"a", {2, 3}}}}};
  const auto layouts = place_groups(index, groups);
  ASSERT_EQ(layouts.size(), 1u);
  EXPECT_EQ(layouts[0].weights[0].name, "b");
  EXPECT_EQ(layouts[0].weights[0].values.offset, index.at("b").values.offset);
  EXPECT_EQ(layouts[0].weights[1].values.offset, index.at("a").values.offset);
  EXPECT_EQ(layouts[0].runs.size(), 1u);
  EXPECT_EQ(layouts[0].num_bytes, 4096u);
}

TEST(GroupLayout, MatricesLieBeforeVectorsOnADevice) {
  const WeightIndex index = two_tensor_index();
  const std::vector<GroupSpec> groups = {{"g", {{"b", {3}}, {"a", {2, 3}}}}};
  const GroupLayout layout = place_groups(index, groups).at(0);
  EXPECT_EQ(layout.weights[1].values.device_offset, 0u);
  EXPECT_EQ(layout.weights[0].values.device_offset, Arena::kAlignment);
  EXPECT_EQ(layout.device_bytes, 2 * Arena::kAlignment);
}

TEST(GroupLayout, NamesTheTensorThatDoesNotFit) {
  const WeightIndex index = two_tensor_index();
  const std::vector<GroupSpec> wrong_shape = {{"g", {{"a", {3, 2}}}}};
  const std::vector<GroupSpec> absent = {{"g", {{"c", {3}}}}};
  try {
    place_groups(index, wrong_shape);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidFile);
    EXPECT_NE(std::string(error.what()).find("'a' has shape [2, 3]"), std::string::npos) << error.what();
  }
  EXPECT_THROW(place_groups(index, absent), Error);
}

TEST(GroupLayout, TensorsThatNoGroupKnowsAreRefusedByName) {
  const WeightIndex index = two_tensor_index();
  const std::vector<GroupSpec> only_a = {{"g", {{"a", {2, 3}}}}};
  const std::vector<GroupSpec> both = {{"g", {{"a", {2, 3}}, {"b", {3}}}}};
  EXPECT_NO_THROW(check_all_known(index, both));
  try {
    check_all_known(index, only_a);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'b'"), std::string::npos) << error.what();
  }
}

TEST(ResidentStore, LeasesHoldTheFilesContent) {
  const auto backend = make_reference_backend();
  const WeightIndex index = two_tensor_index();
  const std::vector<GroupSpec> groups = {{"first", {{"b", {3}}}}, {"second", {{"a", {2, 3}}}}};
  const auto layouts = place_groups(index, groups);
  ResidentStore store(*backend, index, layouts);
  ASSERT_EQ(store.num_groups(), 2u);
  const Lease lease = store.acquire(1);
  ASSERT_EQ(lease.tensors().size(), 1u);
  EXPECT_EQ(lease.tensors()[0].shape, (Shape{2, 3}));
  EXPECT_EQ(lease.tensors()[0].as<float>()[5], 5.0f);
  EXPECT_EQ(store.acquire(0).tensors()[0].as<float>()[0], 6.0f);
}

TEST(MeasuredWeights, GivesTheSameShapesWithoutReading) {
  const WeightIndex index = two_tensor_index();
  const std::vector<GroupSpec> groups = {{"g", {{"a", {2, 3}}, {"b", {3}}}}};
  MeasuredWeights weights(place_groups(index, groups));
  const Lease lease = weights.acquire(0);
  EXPECT_EQ(lease.tensors()[0].shape, (Shape{2, 3}));
  EXPECT_FALSE(lease.tensors()[0].empty());
  EXPECT_NE(lease.tensors()[0].data, lease.tensors()[1].data);
}

}  // namespace
}  // namespace steadyflux
