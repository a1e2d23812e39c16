#include "format/config.h"

#include "io/expect_error.h"

namespace steadyflux {
namespace {

Config config() {
  return Config::parse(R"({
    "layers": 19, "negative": -3, "huge": 18446744073709551615, "scale": 0.3611, "on": true, "name": "x",
    "axes": [16, 56, 56], "kinds": ["a", "b"], "nothing": null, "mixed": [1, "a"], "pair": ["a", null],
    "section": {"inner": 5}
  })",
                       "dir/config.json");
}

TEST(Config, ReadsEveryType) {
  const Config c = config();
  EXPECT_EQ(c.source(), "dir/config.json");
  EXPECT_EQ(c.require_int("layers"), 19);
  EXPECT_EQ(c.require_int("negative"), -3);
  EXPECT_EQ(c.require_float("scale"), 0.3611);
  EXPECT_EQ(c.require_float("layers"), 19.0);
  EXPECT_TRUE(c.require_bool("on"));
  EXPECT_EQ(c.require_string("name"), "x");
  EXPECT_EQ(c.require_ints("axes", kCountRange), (std::vector<std::int64_t>{16, 56, 56}));
  EXPECT_EQ(c.require_strings("kinds"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(c.require_nullable_strings("pair"), (std::vector<std::optional<std::string>>{"a", std::nullopt}));
  EXPECT_EQ(c.require_section("section").require_int("inner"), 5);
}

TEST(Config, AbsentAndNullTakeTheFallback) {
  const Config c = config();
  for (const char* key : {"absent", "nothing"}) {
    EXPECT_FALSE(c.has(key));
    EXPECT_EQ(c.get_int(key, 7, kCountRange), 7);
    EXPECT_EQ(c.get_float(key, 0.5), 0.5);
    EXPECT_TRUE(c.get_bool(key, true));
    EXPECT_EQ(c.get_string(key, "fallback"), "fallback");
    EXPECT_EQ(c.get_ints(key, {1}), std::vector<std::int64_t>{1});
    EXPECT_EQ(c.get_strings(key, {"s"}), std::vector<std::string>{"s"});
    expect_error(ErrorCode::kNotFound, key, [&] { c.require_int(key); });
    expect_error(ErrorCode::kNotFound, "dir/config.json", [&] { c.require_section(key); });
  }
  EXPECT_EQ(c.get_int("layers", 7), 19);
  EXPECT_EQ(c.keys().size(), 12U);
}

TEST(Config, AnotherTypeIsAnErrorEvenWithAFallback) {
  const Config c = config();
  const auto refused = [](auto call) { expect_error(ErrorCode::kInvalidFile, "dir/config.json: \"", call); };
  refused([&] { c.get_int("scale", 1); });
  refused([&] { c.get_int("name", 1); });
  refused([&] { c.get_float("on", 1); });
  refused([&] { c.get_bool("layers", true); });
  refused([&] { c.get_string("axes", ""); });
  refused([&] { c.get_ints("layers", {}); });
  refused([&] { c.get_ints("mixed", {}); });
  refused([&] { c.get_strings("mixed", {}); });
  refused([&] { c.require_nullable_strings("mixed"); });
  refused([&] { c.require_section("axes"); });
}

TEST(Config, IntegersOutOfRangeAreNamedWithTheirValue) {
  const Config c = config();
  expect_error(ErrorCode::kInvalidFile, "\"negative\" is -3", [&] { c.get_int("negative", 1, kCountRange); });
  expect_error(ErrorCode::kInvalidFile, "18446744073709551615", [&] { c.require_int("huge"); });
  expect_error(ErrorCode::kInvalidFile, "\"axes\" is 56", [&] { c.require_ints("axes", {1, 55}); });
}

TEST(Config, ErrorsInASectionNameThePath) {
  expect_error(ErrorCode::kNotFound, "dir/config.json: section: the key \"absent\"",
               [] { config().require_section("section").require_int("absent"); });
}

TEST(Config, MustBeAnObject) {
  expect_error(ErrorCode::kInvalidFile, "should be a JSON object", [] { Config::parse("[1]", "x.json"); });
  expect_error(ErrorCode::kNotFound, "/absent/config.json", [] { Config::load("/absent/config.json"); });
}

}  // namespace
}  // namespace steadyflux
