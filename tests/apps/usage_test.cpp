// What the small program answers, and bad usage.
#include "tests/apps/program.h"
#include "tests/support/paths.h"

namespace attune::test {
namespace {

using Usage = ProgramTest;

TEST_F(Usage, HelpNamesEveryCommand) {
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* name :
       {"run",       "train",        "generate",     "sweep",       "evaluate",
        "report",    "data mine",    "data split",   "embed",       "index build",
        "index add", "index search", "index verify", "tokenize",    "inspect",
        "export",    "config",       "bench",        "jobs submit", "jobs worker"}) {
    EXPECT_NE(help.out.find(name), std::string::npos) << name;
    std::istringstream in(name);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    std::vector<std::string> asked = {"help"};
    asked.insert(asked.end(), words.begin(), words.end());
    const Outcome one = run(asked);
    EXPECT_EQ(one.code, 0);
    EXPECT_TRUE(one.out.starts_with(std::string("usage: attune ") + name)) << one.out;
    words.push_back("--help");
    EXPECT_EQ(run(words).out, one.out);
  }
  EXPECT_EQ(help.err, "");
}

TEST_F(Usage, VersionIsOneLine) {
  const Outcome version = run({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_TRUE(version.out.starts_with("attune ")) << version.out;
  EXPECT_EQ(version.out, run({"version"}).out);
}

TEST_F(Usage, UnknownWordsSuggestTheNearest) {
  const Outcome command = run({"trian"});
  EXPECT_EQ(command.code, 2);
  EXPECT_NE(command.err.find("did you mean 'train'?"), std::string::npos) << command.err;
  const Outcome option = run({"embed", "--modle", "x"});
  EXPECT_EQ(option.code, 2);
  EXPECT_NE(option.err.find("did you mean '--model'?"), std::string::npos) << option.err;
}

TEST_F(Usage, MissingExtraAndRepeatedArgumentsAreRefused) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"train"},
      {"embed", "--model", "x"},
      {"embed", "--model"},
      {"tokenize", "--model", "a", "--model", "b", "--input", "c"},
      {"inspect", "a", "b"},
      {"train", "x.yaml", "--json=yes"},
      {"config", "chekc", "x.yaml"},
      {"config", "schema", "x.yaml"},
      {"bench", "compere", "a", "b"},
      {"config", "check"},
      {"help", "nothing"},
      {"evaluate", "--model", kTinyModel, "--dataset", "d.json", "--k", "1,,3"},
      {"evaluate", "--model", kTinyModel, "--dataset", "d.json", "--k", "0"},
      {"embed", "--model", kTinyModel, "--input", "x", "--output", "y", "--role", "passage"},
      {"train", "x.yaml", "--resume", "--overwrite"},
  };
  for (const auto& arguments : wrong) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err, "");
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(Usage, FailureIsJsonWhereJsonWasAsked) {
  const Outcome outcome = run({"train", "absent.yaml", "--json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.last_line()["status"], "failed");
  EXPECT_NE(outcome.last_line()["error"].get<std::string>().find("absent.yaml"), std::string::npos);
}

TEST_F(Usage, FullStdoutIsAnError) {
  const Outcome outcome = run({"--help"}, "/dev/full");
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.err.find("stdout"), std::string::npos) << outcome.err;
}

TEST_F(Usage, ConfigCheckNamesEveryMistakeAtOnce) {
  write_config("run.yaml", "  learing_rate: 1\n", "sed: 3\n");
  const Outcome outcome = run({"config", "check", "run.yaml", "train.epochs=none"});
  EXPECT_EQ(outcome.code, 2);
  for (const char* said :
       {"run.yaml:12:3", "learning_rate", "'seed'", "override 'train.epochs=none'"})
    EXPECT_NE(outcome.err.find(said), std::string::npos) << said << "\n" << outcome.err;
  write_config("run.yaml");
  const Outcome good = run({"config", "check", "run.yaml"});
  EXPECT_EQ(good.code, 0) << good.err;
}

TEST_F(Usage, ConfigPrintIsReadBackEqual) {
  write_config("run.yaml", "", "evaluate:\n  k: [2]\n");
  spit(folder_ / "more.yaml", slurp(folder_ / "run.yaml") + "seed: 7\n");
  const Outcome first = run({"config", "print", "more.yaml", "data.test=test.json"});
  ASSERT_EQ(first.code, 0) << first.err;
  spit(folder_ / "printed.yaml", first.out);
  const auto without_origins = [](const std::string& text) {
    std::string values;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      line.resize(std::min(line.find("  # "), line.size()));
      line.erase(line.find_last_not_of(' ') + 1);
      values += line + "\n";
    }
    return values;
  };
  EXPECT_EQ(without_origins(run({"config", "print", "printed.yaml"}).out),
            without_origins(first.out));
  EXPECT_NE(first.out.find("learning_rate"), std::string::npos);
  EXPECT_EQ(first.out.find("documents"), std::string::npos) << "a stage that was not named";
  EXPECT_EQ(first.out.find("prompts"), std::string::npos) << "prompts that were not given";
}

TEST_F(Usage, ConfigPrintTellsWhereEachValueComesFrom) {
  write_config("run.yaml");
  const Outcome outcome = run({"config", "print", "run.yaml", "train.epochs=7"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto line_of = [&](const std::string& key) {
    const std::size_t begin = outcome.out.find(key);
    return begin == std::string::npos
               ? std::string()
               : outcome.out.substr(begin, outcome.out.find('\n', begin) - begin);
  };
  EXPECT_TRUE(line_of("epochs: 7").ends_with("# override")) << outcome.out;
  EXPECT_TRUE(line_of("batch_size: 4").ends_with("# run.yaml:10")) << line_of("batch_size: 4");
  EXPECT_TRUE(line_of("learning_rate: 2e-05").ends_with("# default")) << outcome.out;
}

TEST_F(Usage, SettingsWithoutEffectAreWarnedOf) {
  write_config("run.yaml", "  keep_checkpoints: 5\n");
  const Outcome outcome = run({"config", "check", "run.yaml", "train.lora.alpha=3"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "run.yaml: fine\n");
  for (const char* said : {"warning: run.yaml:12:3: 'train.keep_checkpoints' has no effect",
                           "warning: override 'train.lora.alpha=3': 'train.lora.alpha'"})
    EXPECT_NE(outcome.err.find(said), std::string::npos) << outcome.err;
}

TEST_F(Usage, TheSchemaIsTheCommittedOne) {
  const Outcome outcome = run({"config", "schema"});
  EXPECT_EQ(parse_json(outcome.out, "schema")["$schema"],
            "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(outcome.out, slurp(source_path("docs/configuration.schema.json")))
      << "build/release/attune config schema > docs/configuration.schema.json";
}

TEST_F(Usage, ExplainTellsStagesAndReasons) {
  write_config("run.yaml");
  write_dataset("train.json", 8);
  const Outcome before = run({"run", "run.yaml", "--explain", "--json"});
  ASSERT_EQ(before.code, 0) << before.err;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  ASSERT_EQ(before.last_line()["stages"][0]["stage"], "generate");
  EXPECT_EQ(before.last_line()["stages"][0]["status"], "absent");
  ASSERT_EQ(run({"run", "run.yaml"}).code, 0);
  EXPECT_NE(run({"run", "run.yaml", "--explain"}).out.find("train     current"), std::string::npos);
  const std::string changed = run({"run", "run.yaml", "--explain", "train.learning_rate=1e-5"}).out;
  EXPECT_NE(changed.find("train     runs     train.learning_rate 2e-05 -> 1e-05"),
            std::string::npos)
      << changed;
}

TEST_F(Usage, QuietAndVerboseAreOptionsOfEveryCommand) {
  write_dataset("train.json", 8);
  write_config("run.yaml");
  EXPECT_EQ(run({"-q", "train"}).code, 2) << "options come behind the command";
  const Outcome quiet = run({"train", "run.yaml", "-q"});
  EXPECT_EQ(quiet.code, 0);
  EXPECT_EQ(quiet.err, "");
  EXPECT_EQ(quiet.out, "out/artifact\n");
  EXPECT_NE(run({"train", "run.yaml", "--overwrite", "--verbose"}).err, "");
  const Outcome failing = run({"train", "run.yaml", "--quiet"});
  EXPECT_EQ(failing.code, 2);
  EXPECT_NE(failing.err.find("holds a run already"), std::string::npos) << "errors are said";
  EXPECT_EQ(run({"train", "run.yaml", "-q", "-v"}).code, 2);
}

TEST_F(Usage, TheConfigurationPageIsWhatConfigDocPrints) {
  const Outcome outcome = run({"config", "doc"});
  EXPECT_EQ(outcome.out, slurp(source_path("docs/configuration.md")))
      << "build/release/attune config doc > docs/configuration.md";
}

}  // namespace
}  // namespace attune::test
