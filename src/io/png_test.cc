#include "io/png.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/error.h"
#include "io/expect_unharmed.h"
#include "io/faulty_file.h"
#include "io/memory_file.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

RgbImage gradient(int width, int height) {
  RgbImage image{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (const int value : {x * 7, y * 11, x * y}) image.pixels.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return image;
}

std::string encoded(RgbView image, std::vector<PngText> texts = {}) {
  MemorySink sink;
  encode_png(sink, image, texts);
  return sink.content();
}

ErrorCode code_of(const std::string& content, std::uint64_t max_pixels = 1 << 20) {
  try {
    read_png(MemoryFile("image.png", content), max_pixels);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("image.png"), std::string::npos) << error.what();
    return error.code();
  }
  ADD_FAILURE() << "read without error";
  return ErrorCode::kInternal;
}

TEST(Png, PixelsAndTextsRoundTrip) {
  const RgbImage image = gradient(37, 23);
  const std::vector<PngText> texts = {
      {"parameters", "a cat\nSteps: 4"}, {"parameters", "caf\xC3\xA9 \xE7\x8C\xAB"}, {"Empty", ""}};
  const std::string content = encoded(image, texts);
  EXPECT_NE(content.find("tEXtparameters"), std::string::npos);
  EXPECT_NE(content.find("iTXtparameters"), std::string::npos);
  const PngImage back = read_png(MemoryFile("image.png", content));
  EXPECT_EQ(back.image.width, 37);
  EXPECT_EQ(back.image.height, 23);
  EXPECT_EQ(back.image.pixels, image.pixels);
  ASSERT_EQ(back.texts.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(back.texts[i].keyword, texts[i].keyword);
    EXPECT_EQ(back.texts[i].text, texts[i].text);
  }
}

TEST(Png, BytesDependOnTheArgumentsAlone) { EXPECT_EQ(encoded(gradient(16, 16)), encoded(gradient(16, 16))); }

TEST(Png, WritesAFile) {
  const TemporaryDir directory("png_test");
  const fs::path path = directory.path() / "image.png";
  write_png(path, gradient(8, 8), {});
  EXPECT_EQ(read_png(*open_file(path)).image.pixels, gradient(8, 8).pixels);
}

TEST(Png, RefusesWrongArguments) {
  const RgbImage image = gradient(4, 4);
  EXPECT_THROW(encoded(RgbView(4, 5, image.pixels)), Error);
  EXPECT_THROW(encoded(RgbView(0, 0, {})), Error);
  EXPECT_THROW(encoded(RgbView(-4, -4, image.pixels)), Error);
  for (const PngText& text : {PngText{"", "x"}, PngText{std::string(80, 'k'), "x"}, PngText{" k", "x"},
                              PngText{"k\xC3\xA9", "x"}, PngText{"k", "\xFF"}, PngText{"k", std::string(1, '\0')}}) {
    EXPECT_THROW(encoded(image, {text}), Error) << text.keyword;
  }
}

TEST(Png, ASinkThatRefusesIsHeard) {
  struct FullSink final : ByteSink {
    explicit FullSink(std::size_t room) : remaining(room) {}
    void write(std::span<const std::byte> bytes) override {
      if (bytes.size() > remaining) fail(ErrorCode::kIo, "disk full");
      remaining -= bytes.size();
    }
    std::size_t remaining;
  };
  const RgbImage image = gradient(64, 64);
  const std::size_t size = encoded(image).size();
  for (std::size_t room = 0; room < size; room += 101) {
    FullSink sink(room);
    EXPECT_THROW(encode_png(sink, image, {}), Error) << room;
  }
}

TEST(Png, TruncationAtAnyByteIsAnError) {
  const std::string content = encoded(gradient(5, 5), {{"k", "text"}});
  for (std::size_t length = 0; length < content.size(); ++length) {
    EXPECT_EQ(code_of(content.substr(0, length)), ErrorCode::kInvalidFile) << length;
  }
}

// Most flips are caught by the checksums; one in a place without any may still give an image.
TEST(Png, NoBitFlipDoesHarm) {
  const std::string content = encoded(gradient(5, 5), {{"k", "text"}});
  expect_unharmed_by_bit_flips(content, content.size(), {ErrorCode::kInvalidFile}, [](const std::string& flipped) {
    EXPECT_EQ(read_png(MemoryFile("image.png", flipped)).image.pixels.size(), 75U);
  });
}

TEST(Png, TooManyPixelsAreRefusedBeforeDecoding) {
  EXPECT_EQ(code_of(encoded(gradient(33, 32)), 1024), ErrorCode::kInvalidFile);
  EXPECT_EQ(read_png(MemoryFile("image.png", encoded(gradient(32, 32))), 1024).image.width, 32);
}

TEST(Png, AReadErrorOfTheFileComesThrough) {
  const auto file = std::make_shared<MemoryFile>("image.png", encoded(gradient(5, 5)));
  try {
    read_png(FaultyFile(file, {.fail_every = 4}));
    FAIL() << "the fault was not seen";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
  }
}

}  // namespace
}  // namespace steadyflux
