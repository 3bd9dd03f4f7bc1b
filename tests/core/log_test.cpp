#include "core/log.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace attune {
namespace {

template <class Call>
std::string shown_by(const Call& call) {
  testing::internal::CaptureStderr();
  call();
  return testing::internal::GetCapturedStderr();
}

void log_one_of_each() {
  log_debug("d");
  log_info("i");
  log_warning("w");
  log_error("e");
}

TEST(Log, ShowsTheLevelAndAbove) {
  EXPECT_EQ(shown_by(log_one_of_each), "i\nwarning: w\nerror: e\n");
  set_log_level(LogLevel::kDebug);
  EXPECT_EQ(shown_by(log_one_of_each), "debug: d\ni\nwarning: w\nerror: e\n");
  set_log_level(LogLevel::kWarning);
  EXPECT_EQ(shown_by(log_one_of_each), "warning: w\nerror: e\n");
  set_log_level(LogLevel::kError);
  EXPECT_EQ(shown_by(log_one_of_each), "error: e\n");
  set_log_level(LogLevel::kInfo);
}

TEST(Log, AMessageIsTextAndNothingElse) {
  EXPECT_EQ(shown_by([] { log_info("{} %s {0"); }), "{} %s {0\n");
  EXPECT_EQ(shown_by([] { log_info("\x1b[31mred\x07\r gr\xc3\xbc\xc3\x9f\ttab\nline"); }),
            "\\x1b[31mred\\x07\\x0d gr\xc3\xbc\xc3\x9f\ttab\nline\n");
}

TEST(Log, LinesOfThreadsStayWhole) {
  const std::string line(500, 'x');
  const std::string shown = shown_by([&] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) log_info(line);
      });
  });
  std::string expected;
  for (int i = 0; i < 200; ++i) expected += line + "\n";
  EXPECT_EQ(shown, expected);
}

}  // namespace
}  // namespace attune
