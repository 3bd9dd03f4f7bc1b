// The line of progress of a real training on a terminal, made by script(1).
#include <cstdlib>

#include "tests/apps/program.h"

namespace attune::test {
namespace {

class ProgressOfATraining : public ProgramTest {
 protected:
  ProgressOfATraining() {
    write_dataset("train.json", 40);
    write_dataset("validation.json", 6);
    write_config("run.yaml", "  max_steps: 60\n  evaluate_steps: 20\n");
  }
  // What the terminal received; "" where there is no script(1).
  std::string shown(const std::string& variables, const std::string& options) const {
    const std::string command =
        "cd " + folder_.string() + " && env OMP_NUM_THREADS=1 " + variables + " script -qec '" +
        binary_path("attune") +
        " train run.yaml train.epochs=100 data.validation=validation.json " + options +
        "' typescript > /dev/null 2>&1";
    if (std::system("command -v script > /dev/null") != 0) return "";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return slurp(folder_ / "typescript");
  }
};

TEST_F(ProgressOfATraining, TellsLossRateSpeedMemoryAndTimeLeft) {
  const std::string line = shown("TERM=xterm NO_COLOR=", "");
  if (line.empty()) GTEST_SKIP() << "no script(1) here";
  for (const char* part : {"\rtraining ", "/60 (", " %), ", " left", "loss ", ", rate "})
    EXPECT_NE(line.find(part), std::string::npos) << part << "\n" << line;
  EXPECT_NE(line.find("evaluating"), std::string::npos) << line;
  EXPECT_NE(line.find("out/artifact"), std::string::npos) << "the result stands behind it";
}

TEST_F(ProgressOfATraining, IsPlainOrAbsentWhereItIsNotWanted) {
  const std::string plain = shown("TERM=dumb", "");
  if (plain.empty()) GTEST_SKIP() << "no script(1) here";
  EXPECT_EQ(plain.find("\rtraining"), std::string::npos) << plain;
  fs::remove_all(folder_ / "out");
  const std::string quiet = shown("TERM=xterm NO_COLOR=", "--quiet");
  EXPECT_EQ(quiet.find("training"), std::string::npos) << quiet;
  EXPECT_NE(quiet.find("out/artifact"), std::string::npos) << quiet;
}

}  // namespace
}  // namespace attune::test
