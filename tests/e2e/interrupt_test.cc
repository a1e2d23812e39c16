// Ctrl-C: the run ends within a step, with its own exit code and nothing half-written; a second one ends it at once.
#include <gtest/gtest.h>

#include <signal.h>

#include <string>

#include "e2e/workspace.h"

namespace steadyflux::e2e {
namespace {

constexpr int kInterrupted = 130;

class InterruptTest : public Workspace {
 protected:
  // More steps than the test has patience for.
  std::vector<std::string> endless() const { return generate_arguments({"--steps", "10000", "--threads", "2"}); }
};

int last_step(const std::string& err) {
  const auto at = err.rfind("\nstep ");
  return at == std::string::npos ? 0 : std::stoi(err.substr(at + 6));
}

TEST_F(InterruptTest, EndsWithinAStepAndLeavesNothing) {
  for (const int signal_number : {SIGINT, SIGTERM}) {
    SCOPED_TRACE(signal_number);
    Program program(endless());
    ASSERT_TRUE(program.wait_for_words("step 3/"));
    program.send(signal_number);
    const Outcome outcome = program.finish();
    EXPECT_FALSE(outcome.timed_out);
    EXPECT_EQ(outcome.exit_code, kInterrupted) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(outcome.err.ends_with("interrupted\n")) << outcome.err;
    EXPECT_LT(last_step(outcome.err), 10000);
    EXPECT_TRUE(files_out().empty());
  }
}

TEST_F(InterruptTest, AReportIsStillWritten) {
  const auto report = out() / "report.json";
  std::vector<std::string> arguments = endless();
  arguments.insert(arguments.end(), {"--report", report.string(), "--latents-out", (out() / "latents").string()});
  Program program(arguments);
  ASSERT_TRUE(program.wait_for_words("step 3/"));
  program.send(SIGINT);
  EXPECT_EQ(program.finish().exit_code, kInterrupted);
  EXPECT_EQ(files_out(), std::vector<std::string>{"report.json"});
  const auto json = nlohmann::ordered_json::parse(read_text(report));
  EXPECT_TRUE(json.at("cancelled").get<bool>());
  EXPECT_GE(json.at("steps").size(), 3u);
  EXPECT_TRUE(json.at("images").empty());
}

TEST_F(InterruptTest, TheSecondOneEndsItAtOnce) {
  Program program(endless());
  ASSERT_TRUE(program.wait_for_words("step 3/"));
  program.send(SIGINT);
  program.send(SIGTERM);
  const Outcome outcome = program.finish();
  EXPECT_FALSE(outcome.timed_out);
  // Either the second signal ended it, or the first had already done so in words.
  EXPECT_TRUE(outcome.signal == SIGINT || outcome.signal == SIGTERM || outcome.exit_code == kInterrupted);
  EXPECT_TRUE(files_out().empty());
}

}  // namespace
}  // namespace steadyflux::e2e
