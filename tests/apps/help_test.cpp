// Everything that is made of the command table: help, completions, the manual page.
#include <cstdlib>

#include "tests/apps/program.h"

namespace attune::test {
namespace {

class Help : public ProgramTest {
 protected:
  // "run", "data split", ...: the first column of the overview's table.
  std::vector<std::string> commands() const {
    std::vector<std::string> names;
    std::istringstream lines(run({"--help"}).out);
    bool in_table = false;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("usage:")) {
        std::getline(lines, line);
        in_table = true;
      } else if (in_table && !line.starts_with("  ")) {
        break;
      } else if (in_table) {
        names.push_back(line.substr(2, line.find("  ", 2) - 2));
      }
    }
    return names;
  }
  Outcome help(const std::string& command) const {
    std::vector<std::string> words = {"help"};
    std::istringstream in(command);
    for (std::string word; in >> word;) words.push_back(word);
    return run(words);
  }
  // Runs a shell on a script; 127: the shell is not here.
  int shell(const std::string& command) const {
    const int status = std::system(("cd " + folder_.string() + " && " + command).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(Help, EveryPageIsTheOneThatWasReviewed) {
  const std::vector<std::string> names = commands();
  ASSERT_GT(names.size(), 20u);
  std::string pages = run({"--help"}).out;
  for (const std::string& name : names) {
    const Outcome page = help(name);
    EXPECT_EQ(page.code, 0) << name << page.err;
    EXPECT_TRUE(page.out.starts_with("usage: attune " + name)) << page.out;
    const std::size_t examples = page.out.find("\nexamples:\n  attune ");
    EXPECT_TRUE(name == "completion" || examples != std::string::npos) << name << " has no example";
    for (const char* common : {"-q, --quiet", "-v, --verbose", "-h, --help"})
      EXPECT_NE(page.out.find(common), std::string::npos) << name;
    pages += "\n" + std::string(100, '=') + "\n" + page.out;
  }
  const std::string golden = source_path("tests/fixtures/help.txt");
  if (std::getenv("ATTUNE_WRITE_GOLDEN") != nullptr) spit(golden, pages);
  EXPECT_EQ(pages, slurp(golden)) << "reviewed and meant? ATTUNE_WRITE_GOLDEN=1 writes it anew";
}

TEST_F(Help, AGroupListsItsCommands) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"help", "data"}, {"data", "--help"}, {"data", "-h"}}) {
    const Outcome page = run(words);
    EXPECT_EQ(page.code, 0);
    EXPECT_TRUE(page.out.starts_with("usage: attune data COMMAND ...\n\n  data stats "))
        << page.out;
    EXPECT_EQ(page.out.find("index build"), std::string::npos);
  }
  const Outcome alone = run({"jobs"});
  EXPECT_EQ(alone.code, 2);
  EXPECT_NE(alone.err.find("attune jobs: which of its commands?"), std::string::npos) << alone.err;
  EXPECT_NE(alone.err.find("jobs submit"), std::string::npos);
}

// Words of an example that must be there: its command and options.
TEST_F(Help, ExamplesNameCommandsAndOptionsThatExist) {
  for (const std::string& name : commands()) {
    const std::string page = help(name).out;
    std::istringstream lines(page.substr(std::min(page.find("\nexamples:\n"), page.size())));
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("  attune ")) continue;
      EXPECT_TRUE(line.starts_with("  attune " + name)) << line;
      std::istringstream words(line);
      for (std::string word; words >> word;)
        EXPECT_TRUE(!word.starts_with("--") || page.find(word) != page.rfind(word))
            << word << " is no option of " << name;
    }
  }
}

TEST_F(Help, CompletionsAreReadByTheirShells) {
  const std::vector<std::pair<std::string, std::string>> checks = {
      {"bash", "bash -n"}, {"zsh", "zsh -n"}, {"fish", "fish --no-execute"}};
  for (const auto& [name, check] : checks) {
    const Outcome outcome = run({"completion", name});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    spit(folder_ / name, outcome.out);
    for (const char* word : {"train.learning_rate=", "--dry-run", "quickstart", "fp32 bf16 int8"})
      EXPECT_TRUE((name == "fish" && word[0] == '-') || outcome.out.find(word) != std::string::npos)
          << name << " " << word;
    const std::string command = check.substr(0, check.find(' '));
    if (shell("command -v " + command + " >/dev/null") != 0) continue;  // no such shell here
    EXPECT_EQ(shell(check + " " + name), 0) << name;
  }
  EXPECT_EQ(run({"completion", "tcsh"}).code, 2);
}

// What bash offers for a line with the cursor at its end.
TEST_F(Help, BashCompletes) {
  spit(folder_ / "attune.bash", run({"completion", "bash"}).out);
  spit(folder_ / "ask.sh",
       "source ./attune.bash\ncompopt() { :; }\nCOMP_WORDS=(\"$@\")\n"
       "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_attune\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n");
  const auto offered = [&](const std::string& words) {
    EXPECT_EQ(shell("bash ask.sh " + words + " > offered"), 0) << words;
    return slurp(folder_ / "offered");
  };
  EXPECT_EQ(offered("attune tok"), "tokenize\n");
  EXPECT_EQ(offered("attune data sp"), "split\n");
  EXPECT_EQ(offered("attune embed --prec"), "--precision\n");
  EXPECT_EQ(offered("attune embed --precision b"), "bf16\n");
  EXPECT_EQ(offered("attune config sch"), "schema\n");
  EXPECT_EQ(offered("attune recipes cat qui"), "quickstart\n");
  EXPECT_EQ(offered("attune run my.yaml train.learning"), "train.learning_rate=\n");
  EXPECT_EQ(offered("attune data split --sha"), "--shares\n");
}

TEST_F(Help, TheManualPageNamesEverything) {
  const Outcome outcome = run({"man"});
  ASSERT_EQ(outcome.code, 0);
  EXPECT_TRUE(outcome.out.starts_with(".TH ATTUNE 1")) << outcome.out.substr(0, 80);
  for (const std::string& name : commands())
    EXPECT_NE(outcome.out.find(".SS \"" + name + "\"\n"), std::string::npos) << name;
  for (const char* name : {"NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT"})
    EXPECT_NE(outcome.out.find(std::string(".SH ") + name + "\n"), std::string::npos) << name;
  spit(folder_ / "attune.1", outcome.out);
  if (shell("command -v groff >/dev/null") == 0) {
    EXPECT_EQ(shell("groff -man -ww -Tutf8 attune.1 > page 2> warnings"), 0);
    EXPECT_EQ(slurp(folder_ / "warnings"), "");
    EXPECT_NE(slurp(folder_ / "page").find("attune"), std::string::npos);
  }
  if (shell("command -v mandoc >/dev/null") == 0) {
    EXPECT_EQ(shell("mandoc -Tlint -W error attune.1 > lint"), 0) << slurp(folder_ / "lint");
  }
}

}  // namespace
}  // namespace attune::test
