#include "core/progress.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include "core/log.h"

namespace attune {
namespace {

using namespace std::chrono_literals;

template <class Call>
std::string shown_by(const Call& call) {
  testing::internal::CaptureStderr();
  call();
  return testing::internal::GetCapturedStderr();
}

TEST(Progress, ElsewhereThanOnATerminalShortWorkIsOneLine) {
  EXPECT_EQ(shown_by([] {
              Progress progress("training", 10);
              for (int i = 1; i <= 10; ++i) progress.update(i, "loss 0.5");
              progress.finish("loss 0.25");
              progress.finish("again");
            }),
            "training 10/10 in 0s, loss 0.25\n");
}

TEST(Progress, WithoutATotalOrASummary) {
  EXPECT_EQ(shown_by([] {
              Progress progress("reading", 0);
              progress.update(7);
              progress.finish();
            }),
            "reading 7 in 0s\n");
}

TEST(Progress, WorkThatIsGivenUpLeavesNothing) {
  EXPECT_EQ(shown_by([] { Progress("training", 10).update(3); }), "");
}

// What a terminal receives while `call` runs.
template <class Call>
std::string shown_on_terminal_by(const Call& call) {
  int master = -1, terminal = -1;
  winsize size{};
  size.ws_col = 40;
  size.ws_row = 10;
  if (::openpty(&master, &terminal, nullptr, nullptr, &size) != 0) return "no terminal";
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(terminal, STDERR_FILENO);
  call();
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  ::fcntl(master, F_SETFL, O_NONBLOCK);
  std::string out, piece(10'000, '\0');
  for (ssize_t got; (got = ::read(master, piece.data(), piece.size())) > 0;)
    out.append(piece, 0, static_cast<std::size_t>(got));
  ::close(terminal);
  ::close(master);
  return out;
}

class ProgressOnATerminal : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("TERM", "xterm", 1);
    ::unsetenv("NO_COLOR");
  }
};

TEST_F(ProgressOnATerminal, OneLineIsRewrittenAtMostFiveTimesASecond) {
  const std::string shown = shown_on_terminal_by([] {
    Progress progress("training", 1000);
    for (int i = 1; i <= 100; ++i) progress.update(i);
    std::this_thread::sleep_for(210ms);
    progress.update(1000, "loss 0.1");
    progress.finish("done");
  });
  if (shown == "no terminal") GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_EQ(shown.substr(0, shown.find("left")).substr(0, 22), "\rtraining 1/1000 (0 %)");
  EXPECT_NE(shown.find("\rtraining 1000/1000 (100 %), loss 0.1"), std::string::npos);
  EXPECT_EQ(shown.find("50/1000"), std::string::npos);
  EXPECT_NE(shown.find("\rtraining 1000/1000 in 0s, done"), std::string::npos);
  EXPECT_TRUE(shown.ends_with("\n"));
}

// What stands on the terminal after `shown`, one string a line.
std::vector<std::string> screen_after(const std::string& shown) {
  std::vector<std::string> lines(1);
  std::size_t column = 0;
  for (const char c : shown) {
    if (c == '\r') {
      column = 0;
    } else if (c == '\n') {
      lines.emplace_back();
    } else {
      std::string& line = lines.back();
      line.resize(std::max(line.size(), column + 1), ' ');
      line[column++] = c;
    }
  }
  for (std::string& line : lines) line.erase(line.find_last_not_of(' ') + 1);
  return lines;
}

TEST_F(ProgressOnATerminal, AMessageHasALineOfItsOwn) {
  const std::string shown = shown_on_terminal_by([] {
    Progress progress("training", 10);
    progress.update(1, "a long line of numbers");
    log_error("disk full");
    std::this_thread::sleep_for(210ms);
    progress.update(2);
  });
  if (shown == "no terminal") GTEST_SKIP() << "no pseudo-terminal here";
  const std::vector<std::string> screen = screen_after(shown);
  ASSERT_EQ(screen.size(), 3u) << shown;
  EXPECT_EQ(screen[0], "error: disk full");
  EXPECT_TRUE(screen[1].starts_with("training 2/10")) << screen[1];
  EXPECT_EQ(screen[2], "") << "the line of work that was given up is ended";
}

TEST_F(ProgressOnATerminal, AnErrorThatEndsTheWorkStandsBelowTheLine) {
  const std::string shown = shown_on_terminal_by([] {
    try {
      Progress progress("training", 10);
      progress.update(1);
      throw 1;
    } catch (int) {
      log_error("diverged");
    }
  });
  if (shown == "no terminal") GTEST_SKIP() << "no pseudo-terminal here";
  const std::vector<std::string> screen = screen_after(shown);
  ASSERT_EQ(screen.size(), 3u) << shown;
  EXPECT_TRUE(screen[0].starts_with("training 1/10")) << screen[0];
  EXPECT_EQ(screen[1], "error: diverged");
}

TEST_F(ProgressOnATerminal, TellsWhatItWaitsFor) {
  const std::string shown = shown_on_terminal_by([] {
    Progress progress("training", 10);
    progress.update(4);
    progress.pause("evaluating");
    progress.resume();
  });
  if (shown == "no terminal") GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_NE(shown.find("training 4/10"), std::string::npos) << shown;
  EXPECT_NE(shown.find(", eval"), std::string::npos) << shown;  // 40 columns
}

TEST_F(ProgressOnATerminal, WhatWasDoneBeforeDoesNotCountAsFast) {
  const std::string shown = shown_on_terminal_by([] {
    Progress progress("training", 1000, 990);
    std::this_thread::sleep_for(500ms);
    progress.update(991);
  });
  if (shown == "no terminal") GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_NE(shown.find("991/1000"), std::string::npos) << shown;
  const std::size_t left = shown.find("s left");
  ASSERT_NE(left, std::string::npos) << shown;
  EXPECT_GE(std::stoi(shown.substr(shown.rfind(' ', left) + 1)), 4)
      << "nine steps of half a second";
}

TEST_F(ProgressOnATerminal, QuietShowsNothing) {
  set_progress_shown(false);
  const std::string shown = shown_on_terminal_by([] {
    Progress progress("training", 10);
    EXPECT_FALSE(progress.is_due());
    progress.update(4);
    progress.pause("evaluating");
    progress.finish("done");
  });
  set_progress_shown(true);
  EXPECT_EQ(shown, shown == "no terminal" ? shown : "");
}

TEST_F(ProgressOnATerminal, ALineIsCutToTheWidth) {
  const std::string shown =
      shown_on_terminal_by([] { Progress("training", 10).update(1, std::string(100, 'x')); });
  if (shown == "no terminal") GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_EQ(shown.find('\n'), 1u + 39u + 1u);  // \r, the text, the terminal's own \r
}

TEST_F(ProgressOnATerminal, NoColorAndDumbTerminalsGetPlainLines) {
  const auto work = [] {
    Progress progress("training", 10);
    progress.update(10);
    progress.finish();
  };
  ::setenv("TERM", "dumb", 1);
  const std::string dumb = shown_on_terminal_by(work);
  if (dumb == "no terminal") GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_EQ(dumb, "training 10/10 in 0s\r\n");
  ::setenv("TERM", "xterm", 1);
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(shown_on_terminal_by(work), "training 10/10 in 0s\r\n");
}

TEST_F(ProgressOnATerminal, PausedTimeDoesNotCount) {
  const std::string shown = shown_on_terminal_by([] {
    Progress progress("training", 4);
    progress.pause();
    std::this_thread::sleep_for(600ms);
    progress.resume();
    progress.update(1);
    progress.finish();
  });
  if (shown == "no terminal") GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_NE(shown.find("0s left"), std::string::npos) << shown;
  EXPECT_NE(shown.find("in 0s"), std::string::npos) << shown;
}

}  // namespace
}  // namespace attune
