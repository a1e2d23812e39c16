#include "format/json.h"

#include "io/expect_error.h"
#include "io/faulty_file.h"
#include "io/memory_file.h"

namespace steadyflux {
namespace {

Json parse(std::string_view text, JsonLimits limits = {}) { return parse_json(text, "test.json", limits); }

void expect_refused(std::string_view part, std::string_view text, JsonLimits limits = {}) {
  expect_error(ErrorCode::kInvalidFile, part, [&] { parse(text, limits); });
}

TEST(Json, BuildsTheWholeDocument) {
  const Json json = parse(R"({"a": [1, -2, 2.5, true, null, "x", {"b": []}], "c": {"d": {}}, "e": "caf\u00e9"})");
  EXPECT_EQ(json["a"].size(), 7U);
  EXPECT_EQ(json["a"][1], -2);
  EXPECT_EQ(json["a"][2], 2.5);
  EXPECT_TRUE(json["a"][4].is_null());
  EXPECT_TRUE(json["a"][6]["b"].is_array());
  EXPECT_TRUE(json["c"]["d"].is_object());
  EXPECT_EQ(json["e"], "caf\xC3\xA9");
  EXPECT_EQ(parse("7"), 7);
  EXPECT_EQ(parse(R"(["x", "x"])").size(), 2U);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text :
       {"", "{", "{\"a\":}", "{'a': 1}", "[1,]", "{} {}", "nul", "[1e999]", "{\"a\": NaN}", "// x\n1"}) {
    expect_refused("test.json", text);
  }
}

TEST(Json, RefusesTextThatIsNotUtf8) {
  expect_refused("test.json", "[\"\xFF\"]");
  expect_refused("test.json", "[\"\xED\xA0\x80\"]");
  expect_refused("test.json", "{\"\xC0\xAF\": 1}");
}

TEST(Json, RefusesAKeyTwice) {
  expect_refused("\"a\" appears twice", R"({"a": 1, "b": 2, "a": 3})");
  expect_refused("\"x\" appears twice", R"([{"x": {}, "x": []}])");
  EXPECT_EQ(parse(R"({"a": {"a": 1}, "b": {"a": 1}})").size(), 2U);
}

TEST(Json, DepthIsBounded) {
  const JsonLimits limits = {.max_depth = 3};
  EXPECT_EQ(parse("[[[1]]]", limits).size(), 1U);
  expect_refused("more than 3", "[[[[1]]]]", limits);
  expect_refused("more than 64", std::string(1000000, '['));
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  expect_refused("more than 64", objects);
}

TEST(Json, SizeIsBoundedBeforeReading) {
  const auto file = std::make_shared<MemoryFile>("big.json", "[" + std::string(100, ' ') + "]");
  EXPECT_EQ(read_json(*file, {.max_bytes = 102}).size(), 0U);
  const FaultyFile counting(file, {});
  expect_error(ErrorCode::kInvalidFile, "big.json", [&] { read_json(counting, {.max_bytes = 101}); });
  EXPECT_EQ(counting.num_reads(), 0U);
}

TEST(Json, ReadErrorsComeThrough) {
  const FaultyFile broken(std::make_shared<MemoryFile>("broken.json", "{}"), {.fail_every = 1});
  expect_error(ErrorCode::kIo, "broken.json", [&] { read_json(broken); });
  expect_error(ErrorCode::kNotFound, "absent.json", [] { read_json(std::filesystem::path("/absent.json")); });
}

}  // namespace
}  // namespace steadyflux
