#include "core/shell_word.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

TEST(ShellWord, IsBareOrQuoted) {
  EXPECT_EQ(shell_word("runs/a-b_1.0/x=y:z,@%+"), "runs/a-b_1.0/x=y:z,@%+");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("two words"), "'two words'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word("$(rm)"), "'$(rm)'");
  EXPECT_EQ(shell_word("stra\xc3\x9f"
                       "e"),
            "'stra\xc3\x9f"
            "e'");
}

}  // namespace
}  // namespace attune
