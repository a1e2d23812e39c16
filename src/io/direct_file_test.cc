#include "io/direct_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "platform/page_region.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

std::string some_bytes(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(i * 131 + i / 251);
  return bytes;
}

TEST(DirectFile, GivesTheBytesOfAnyRangeWhateverItsAlignment) {
  const TemporaryDir directory("direct_file");
  const std::string content = some_bytes(5 * kDirectAlignment + 123);
  const auto path = directory.path() / "content";
  std::ofstream(path, std::ios::binary) << content;
  // A buffer of one block makes most reads take several turns.
  const PageRegion bounce(kDirectAlignment);
  const auto file = open_direct_file(path, bounce.bytes().first(kDirectAlignment));
  ASSERT_EQ(file->size(), content.size());
  const PageRegion out(6 * kDirectAlignment);
  for (const std::size_t offset : std::vector<std::size_t>{0, 1, 356, 4095, 4096, 4097, 8192, 20000}) {
    for (const std::size_t count : std::vector<std::size_t>{0, 1, 100, 4096, 8192, 9000}) {
      if (offset + count > content.size()) continue;
      for (const std::size_t shift : std::vector<std::size_t>{0, 1}) {
        const auto target = out.bytes().subspan(shift, count);
        file->read(offset, target);
        EXPECT_EQ(std::string(reinterpret_cast<const char*>(target.data()), count), content.substr(offset, count))
            << offset << " " << count << " " << shift;
      }
    }
  }
}

TEST(DirectFile, ReadingPastTheEndNamesTheFile) {
  const TemporaryDir directory("direct_file_end");
  const auto path = directory.path() / "short";
  std::ofstream(path, std::ios::binary) << some_bytes(100);
  const PageRegion bounce(kDirectAlignment);
  const auto file = open_direct_file(path, bounce.bytes().first(kDirectAlignment));
  std::vector<std::byte> out(101);
  try {
    file->read(0, out);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("short"), std::string::npos);
  }
  EXPECT_THROW(open_direct_file(directory.path() / "absent", bounce.bytes()), Error);
  EXPECT_THROW(open_direct_file(directory.path(), bounce.bytes()), Error);
}

}  // namespace
}  // namespace steadyflux
