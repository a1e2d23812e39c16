#include "spark/judge.h"

#include <gtest/gtest.h>

#include "io/png.h"
#include "spark/verdict.h"

namespace steadyflux::spark {
namespace {

std::filesystem::path source(const char* path) { return std::filesystem::path(STEADYFLUX_SOURCE) / path; }

// renders.json names everything that is plain to see in each render; its "text" is the file.
TEST(JudgeTest, ReadsRendersRightAndTellsThemApart) {
  Judge judge(source("tools/spark/judge.safetensors"));
  const std::vector<Asked> renders = read_prompts(source("tests/spark/renders/renders.json"));
  ASSERT_EQ(renders.size(), 8U);
  for (const Asked& render : renders) {
    const auto file = open_file(source("tests/spark/renders") / render.text);
    const Seen seen = judge.look(read_png(*file).image);
    for (const Asked& asked : renders) {
      EXPECT_EQ(faults(asked, seen).empty(), asked.text == render.text) << render.text << " as " << asked.text;
    }
  }
}

}  // namespace
}  // namespace steadyflux::spark
