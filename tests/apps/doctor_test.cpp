// `attune doctor`: what it finds, with remedies, and that it leaves nothing behind.
#include <sys/resource.h>

#include "tests/apps/program.h"

namespace attune::test {
namespace {

using Doctor = ProgramTest;

const Json* check_named(const Json& report, const std::string& name) {
  for (const Json& check : report["checks"])
    if (check["name"] == name) return &check;
  return nullptr;
}

TEST_F(Doctor, TellsOfEveryPart) {
  const Outcome outcome = run({"doctor", "--output", "runs/here", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  const Json report = outcome.last_line();
  EXPECT_EQ(report["status"], "fine");
  for (const char* name : {"processor", "memory", "NVIDIA driver", "disk", "writing", "model cache",
                           "pdftotext", "LibTorch", "GPU"}) {
    const Json* check = check_named(report, name);
    ASSERT_NE(check, nullptr) << name;
    EXPECT_NE((*check)["found"], "") << name;
    EXPECT_EQ(check->contains("remedy"), (*check)["status"] != "fine") << *check;
  }
  EXPECT_FALSE(fs::exists(folder_ / "runs")) << "the nearest folder above is tried";
  for (const auto& entry : fs::directory_iterator(folder_))
    EXPECT_TRUE(entry.path().filename().string().starts_with("std")) << entry.path();
}

TEST_F(Doctor, AFolderThatCannotBeWrittenIsAFailureWithItsRemedy) {
  const Outcome outcome = run({"doctor", "--output", "/proc"});
  EXPECT_EQ(outcome.code, 4);
  for (const char* part : {"failed", "writing", "-> ", "output"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.err.find("failed"), std::string::npos) << outcome.err;
  const Json report = run({"doctor", "--output", "/proc", "--json"}).last_line();
  EXPECT_EQ(report["status"], "failed");
  EXPECT_EQ((*check_named(report, "writing"))["status"], "failed");
}

TEST_F(Doctor, WithoutALibraryItTellsTheRest) {
  fs::create_directories(folder_ / "alone");
  fs::copy_file(binary_path("attune"), folder_ / "alone" / "attune");
  const int status = std::system(
      (folder_.string() + "/alone/attune doctor --json > " + folder_.string() + "/told 2>/dev/null")
          .c_str());
  EXPECT_EQ(WEXITSTATUS(status), 4);
  const Json report = read_json_file(folder_ / "told");
  EXPECT_EQ((*check_named(report, "LibTorch"))["status"], "failed");
  ASSERT_NE(check_named(report, "processor"), nullptr);
}

}  // namespace
}  // namespace attune::test
