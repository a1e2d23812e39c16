#include "io/faulty_file.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "io/memory_file.h"

namespace steadyflux {
namespace {

const std::string kDigits = "0123456789";

FaultyFile faulty(Faults faults) { return {std::make_shared<MemoryFile>("digits", kDigits), faults}; }

std::string read_all(const ReadableFile& file) { return read_whole_file(file, 100); }

TEST(FaultyFile, ShortReadsAreCompleted) {
  const FaultyFile file = faulty({.max_bytes_per_read = 3});
  EXPECT_EQ(read_all(file), kDigits);
  EXPECT_EQ(file.num_reads(), 4U);
}

TEST(FaultyFile, RefusedReadNamesTheOffset) {
  const FaultyFile file = faulty({.fail_every = 3, .max_bytes_per_read = 2});
  try {
    read_all(file);
    FAIL() << "the fault was not seen";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(std::string(error.what()).find("digits at byte 4"), std::string::npos) << error.what();
  }
}

TEST(FaultyFile, EarlyEndIsFound) {
  const FaultyFile file = faulty({.end_at = 6});
  std::string part(6, ' ');
  file.read(0, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, "012345");
  EXPECT_THROW(read_all(file), Error);
}

TEST(FaultyFile, GarbageIsInverted) {
  std::string inverted = kDigits;
  for (char& c : inverted) c = static_cast<char>(~c);
  const FaultyFile file = faulty({.garbage_every = 2});
  EXPECT_EQ(read_all(file), kDigits);
  EXPECT_EQ(read_all(file), inverted);
}

}  // namespace
}  // namespace steadyflux
