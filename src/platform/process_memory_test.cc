#include "platform/process_memory.h"

#include <gtest/gtest.h>

#include "platform/proc_text_linux.h"

namespace steadyflux {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(ProcessMemory, FieldsArePlausible) {
  const ProcessMemory memory = process_memory();
  EXPECT_GT(memory.anon_bytes, 64U * 1024);
  EXPECT_GT(memory.file_bytes, 64U * 1024);
  EXPECT_GT(memory.minor_faults, 10U);
  EXPECT_GE(memory.peak_resident_bytes + kMiB, memory.anon_bytes + memory.shmem_bytes + memory.file_bytes);
  EXPECT_EQ(memory.charged_bytes(), memory.anon_bytes + memory.shmem_bytes);
}

TEST(ProcText, FindsNumbersByWholeKey) {
  constexpr std::string_view kText = "XRssAnon: 1 kB\nRssAnon:\t  42 kB\nsome avg10=0.00 total=17\nempty:";
  EXPECT_EQ(number_after(kText, "RssAnon:"), 42U);
  EXPECT_EQ(number_after(kText, "total="), 17U);
  EXPECT_EQ(number_after(kText, "empty:"), std::nullopt);
  EXPECT_EQ(number_after(kText, "absent:"), std::nullopt);
  EXPECT_EQ(number_after("max\n", ""), std::nullopt);
  EXPECT_EQ(number_after("4096\n", ""), 4096U);
}

TEST(ProcText, AnUnreadableFileIsNothing) {
  char buffer[16];
  EXPECT_EQ(read_proc_text("/no/such/file", buffer), std::nullopt);
  EXPECT_EQ(read_proc_text("/proc", buffer), std::nullopt);
}

}  // namespace
}  // namespace steadyflux
