#include "core/config_reader.h"

#include <cmath>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/config_documenter.h"
#include "core/error.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

struct LossConfig {
  std::string type = "mnrl";
  double scale = 20;
  template <class Fields>
  void visit(Fields& f) {
    f.field("type", type, "the objective", one_of({"mnrl", "cosine", "triplet"}));
    f.field("scale", scale, "1 / temperature", above(0));
  }
  bool operator==(const LossConfig&) const = default;
};

struct TrainConfig {
  int epochs = 2;
  std::int64_t steps = -1;
  std::uint64_t seed = 42;
  double learning_rate = 2e-5, warmup_ratio = 0.1;
  bool shuffle = true;
  LossConfig loss;
  template <class Fields>
  void visit(Fields& f) {
    f.field("epochs", epochs, "passes over the pairs", at_least(1));
    f.field("steps", steps, "-1: as the epochs say", at_least(-1));
    f.field("seed", seed, "of the order");
    f.field("learning_rate", learning_rate, "at its highest", above(0));
    f.field("warmup_ratio", warmup_ratio, "of all steps", between(0, 1));
    f.field("shuffle", shuffle, "a new order in every epoch");
    f.section("loss", loss, "what is made smaller");
    if (f.has("steps") && f.has("epochs"))
      f.mistake("steps", "'train.steps': not together with 'train.epochs'");
  }
  bool operator==(const TrainConfig&) const = default;
};

struct RunConfig {
  std::string base, name;
  std::vector<int> k = {1, 3};
  std::vector<std::string> paths;
  TrainConfig train;
  template <class Fields>
  void visit(Fields& f) {
    f.field("base", base, "the model | to begin with",
            Constraint{.required = true, .not_empty = true});
    f.field("name", name, "of the run");
    f.field("k", k, "cut-offs", Constraint{.minimum = 1, .not_empty = true});
    f.field("paths", paths, "documents");
    f.section("train", train, "the training");
  }
  bool operator==(const RunConfig&) const = default;
};

using Overrides = std::vector<std::string>;

RunConfig read(const std::string& text, const Overrides& overrides = {}) {
  RunConfig config;
  ConfigDocument::parse(text, "run.yaml", overrides).read(config);
  return config;
}

std::string mistakes(const std::string& text, const Overrides& overrides = {}) {
  try {
    read(text, overrides);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    return error.what();
  }
  return "none";
}

TEST(Config, ReadsEveryKindOfField) {
  const RunConfig config = read(R"(# a comment
base: /models/mini lm
name: 0.10
k: [5, 10]
paths:
  - docs/
  - "true"
  - 'it''s'
train:
  epochs: 3
  seed: 18446744073709551615
  learning_rate: 1e-3
  warmup_ratio: .25
  shuffle: false
  loss: {type: cosine, scale: 1E2}
)");
  EXPECT_EQ(config.base, "/models/mini lm");
  EXPECT_EQ(config.name, "0.10");
  EXPECT_EQ(config.k, (std::vector<int>{5, 10}));
  EXPECT_EQ(config.paths, (std::vector<std::string>{"docs/", "true", "it's"}));
  EXPECT_EQ(config.train.epochs, 3);
  EXPECT_EQ(config.train.seed, 18446744073709551615u);
  EXPECT_EQ(config.train.learning_rate, 1e-3);
  EXPECT_EQ(config.train.warmup_ratio, 0.25);
  EXPECT_FALSE(config.train.shuffle);
  EXPECT_EQ(config.train.loss, (LossConfig{"cosine", 100}));
}

RunConfig with_base(const std::string& base) {
  RunConfig config;
  config.base = base;
  return config;
}

TEST(Config, WhatIsNotGivenKeepsItsDefault) {
  EXPECT_EQ(read("base: m"), with_base("m"));
  EXPECT_EQ(read("base: m\ntrain:\n"), with_base("m"));
  EXPECT_EQ(read("base: m\nname:\ntrain: {loss: }"), with_base("m"));
}

TEST(Config, AnchorsAreCopies) {
  const RunConfig config = read("base: &b x\nname: *b\nk: &k [7]\ntrain: {loss: {scale: 3}}");
  EXPECT_EQ(config.name, "x");
  EXPECT_EQ(config.k, std::vector<int>{7});
}

struct Mistake {
  std::string text, expected;
};

// One seeded mistake each; `base` is given where nothing is wrong with it.
TEST(Config, NamesEveryMistake) {
  const std::vector<Mistake> cases = {
      {"base: m\ntrain:\n  learing_rate: 1\n",
       "run.yaml:3:3: unknown key 'learing_rate' in 'train' (did you mean 'learning_rate'?)"},
      {"base: m\ntrian: {}\n", "run.yaml:2:1: unknown key 'trian' (did you mean 'train'?)"},
      {"base: m\ntrain: {warmup: 0.1}",
       "run.yaml:2:9: unknown key 'warmup' in 'train' (did you mean 'warmup_ratio'?)"},
      {"base: m\nzzzz: 1", "run.yaml:2:1: unknown key 'zzzz' (known: base, name, k, paths, train)"},
      {"base: m\n? zzzz", "run.yaml:2:3: unknown key 'zzzz' (known: base, name, k, paths, train)"},
      {"name: m\n", "run.yaml:1:1: missing key 'base' (the model | to begin with)"},
      {"", "run.yaml:1:1: missing key 'base' (the model | to begin with)"},
      {"base: ''", "run.yaml:1:7: 'base': expected a string that is not empty"},
      {"base:\nname: x", "run.yaml:1:1: 'base': expected a string that is not empty"},
      {"base: m\nname: [x]", "run.yaml:2:7: 'name': expected a string, found a list"},
      {"base: m\nname: {x: 1}",
       "run.yaml:2:7: 'name': expected a string, found a mapping (a text that holds ': ' stands in "
       "quotes)"},
      {"base: m\nk: 10", "run.yaml:2:4: 'k': expected a list, like [1, 3], found '10'"},
      {"base: m\npaths: docs", "run.yaml:2:8: 'paths': expected a list, like [a, b], found 'docs'"},
      {"base: m\nk: []", "run.yaml:2:4: 'k': expected a list that is not empty"},
      {"base: m\nk: [1, x]", "run.yaml:2:8: 'k[1]': expected a whole number, found 'x'"},
      {"base: m\nk: [1, 0]", "run.yaml:2:8: 'k[1]': expected at least 1, found 0"},
      {"base: m\nk: [1, [2]]", "run.yaml:2:8: 'k[1]': expected a whole number, found a list"},
      {"base: m\npaths: [a, ]\nk: [~]",
       "run.yaml:3:5: 'k[0]': expected a whole number, found nothing (give a value or leave the "
       "key out)"},
      {"base: m\npaths: [a, null]", "run.yaml:2:12: 'paths[1]': expected a string, found nothing"},
      {"base: m\ntrain: {epochs: \"2\"}",
       "run.yaml:2:17: 'train.epochs': expected a whole number, found the string \"2\" (write it "
       "without quotes)"},
      {"base: m\ntrain:\n  epochs: |\n    2\n",
       "run.yaml:3:11: 'train.epochs': expected a whole number, found the string \"2\n\" (write it "
       "without quotes)"},
      {"base: m\ntrain: {epochs: 2.5}",
       "run.yaml:2:17: 'train.epochs': expected a whole number, found '2.5'"},
      {"base: m\ntrain: {epochs: 1e3}",
       "run.yaml:2:17: 'train.epochs': expected a whole number, found '1e3'"},
      {"base: m\ntrain: {epochs: 010}",
       "run.yaml:2:17: 'train.epochs': expected a whole number, found '010' (decimal, without "
       "leading zeros or a base)"},
      {"base: m\ntrain: {epochs: 0x10}",
       "run.yaml:2:17: 'train.epochs': expected a whole number, found '0x10' (decimal, without "
       "leading zeros or a base)"},
      {"base: m\ntrain: {epochs: +3}",
       "run.yaml:2:17: 'train.epochs': expected a whole number, found '+3'"},
      {"base: m\ntrain: {epochs: 1_000}",
       "run.yaml:2:17: 'train.epochs': expected a whole number, found '1_000'"},
      {"base: m\ntrain: {epochs: 2 x}",
       "run.yaml:2:17: 'train.epochs': expected a whole number, found '2 x'"},
      {"base: m\ntrain: {epochs: }",
       "run.yaml:2:9: 'train.epochs': expected a whole number, found nothing (give a value or "
       "leave the key out)"},
      {"base: m\ntrain: {epochs: true}",
       "run.yaml:2:17: 'train.epochs': expected a whole number, found 'true'"},
      {"base: m\ntrain: {epochs: 0}",
       "run.yaml:2:17: 'train.epochs': expected at least 1, found 0"},
      {"base: m\ntrain: {epochs: 3000000000}",
       "run.yaml:2:17: 'train.epochs': expected a number from -2147483648 to 2147483647, found "
       "3000000000"},
      {"base: m\ntrain: {seed: -1}", "run.yaml:2:15: 'train.seed': expected at least 0, found -1"},
      {"base: m\ntrain: {seed: 18446744073709551616}",
       "run.yaml:2:15: 'train.seed': expected a number from 0 to 18446744073709551615, found "
       "18446744073709551616"},
      {"base: m\ntrain: {learning_rate: 0}",
       "run.yaml:2:24: 'train.learning_rate': expected more than 0, found 0"},
      {"base: m\ntrain: {learning_rate: .inf}",
       "run.yaml:2:24: 'train.learning_rate': expected a number, found '.inf'"},
      {"base: m\ntrain: {learning_rate: nan}",
       "run.yaml:2:24: 'train.learning_rate': expected a number, found 'nan'"},
      {"base: m\ntrain: {learning_rate: 1e999}",
       "run.yaml:2:24: 'train.learning_rate': expected a number that fits into 64 bits, found "
       "1e999"},
      {"base: m\ntrain: {learning_rate: 2e}",
       "run.yaml:2:24: 'train.learning_rate': expected a number, found '2e'"},
      {"base: m\ntrain: {warmup_ratio: 1.5}",
       "run.yaml:2:23: 'train.warmup_ratio': expected between 0 and 1, found 1.5"},
      {"base: m\ntrain: {shuffle: yes}",
       "run.yaml:2:18: 'train.shuffle': expected true or false, found 'yes'"},
      {"base: m\ntrain: {shuffle: True}",
       "run.yaml:2:18: 'train.shuffle': expected true or false, found 'True'"},
      {"base: m\ntrain: {shuffle: 1}",
       "run.yaml:2:18: 'train.shuffle': expected true or false, found '1'"},
      {"base: m\ntrain: {loss: {type: mnlr}}",
       "run.yaml:2:22: 'train.loss.type': 'mnlr' is none of mnrl, cosine, triplet (did you mean "
       "'mnrl'?)"},
      {"base: m\ntrain: {loss: {type: softmax}}",
       "run.yaml:2:22: 'train.loss.type': 'softmax' is none of mnrl, cosine, triplet"},
      {"base: m\ntrain: {loss: mnrl}",
       "run.yaml:2:15: 'train.loss': expected a mapping of keys to values, found 'mnrl'"},
      {"base: m\ntrain: [loss]",
       "run.yaml:2:8: 'train': expected a mapping of keys to values, found a list"},
      {"base: m\ntrain: {epochs: 1, steps: 5}",
       "run.yaml:2:20: 'train.steps': not together with 'train.epochs'"},
      {"base: m\nname: a\nbase: n", "run.yaml:3:1: the key 'base' is given twice"},
      {"base: m\ntrain: {loss: &l {scale: 1}}\nname: x\nk: [1]\n<<: *l",
       "run.yaml:5:1: merge keys (<<) are not read; write the keys out"},
      {"base: m\n\"gr\xc3\xbc\xc3\x9f\": 1",
       "run.yaml:2:1: unknown key 'gr\xc3\xbc\xc3\x9f' (known: base, name, k, paths, train)"},
      {"{base: \"\xc3\xa4\xc3\xb6\xc3\xbc\", nam: 1}",
       "run.yaml:1:15: unknown key 'nam' (did you mean 'name'?)"},
      {"\xef\xbb\xbf"
       "base: m\nnam: 1",
       "run.yaml:2:1: unknown key 'nam' (did you mean 'name'?)"},
      {"base: m\r\nnam: 1\r\n", "run.yaml:2:1: unknown key 'nam' (did you mean 'name'?)"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(mistakes(text), expected) << text;
}

// What makes the text unreadable as a whole is the one thing that is told.
TEST(Config, RefusesWhatIsNoConfigurationAtAll) {
  const std::vector<Mistake> cases = {
      {"- a\n- b", "run.yaml:1:1: expected a mapping of keys to values, found a list"},
      {"text", "run.yaml:1:1: expected a mapping of keys to values, found 'text'"},
      {"base: m\n---\nname: x", "run.yaml:2:1: a second document; expected one in a file"},
      {"base: m\n[a]: x",
       "run.yaml:2:1: a key that is a list; expected a word (or a bracket is left open)"},
      {"base: m\n{a: b}: x",
       "run.yaml:2:1: a key that is a mapping; expected a word (or a bracket is left open)"},
      {"base: !!str m",
       "run.yaml:1:7: the tag 'tag:yaml.org,2002:str'; tags are not read here, leave it out"},
      {"base: *x", "run.yaml:1:7: not valid YAML: the referenced anchor is not defined"},
      {"base: m\n\tname: x",
       "run.yaml:2:1: not valid YAML: a tab in the indentation; YAML takes spaces alone"},
      {"base: \"m", "run.yaml:1:7: not valid YAML: this quote is not closed"},
      {"base: 'm''s\nname: x\n", "run.yaml:1:7: not valid YAML: this quote is not closed"},
      {"base: &b \"m\\\"\nname: x\n", "run.yaml:1:7: not valid YAML: this quote is not closed"},
      {"base: \"m\nname: \"x\"",
       "run.yaml:1:7: not valid YAML: this quote is closed in a later line, where a text begins"},
      {"base: m\nname:x\n# c\n\npaths: [a]",
       "run.yaml:2:1: not valid YAML: expected 'key: value', with a space behind the colon, found "
       "'name:x'"},
      {"base: m\ntrain:\n  epochs = 2\n  loss: {}",
       "run.yaml:3:3: not valid YAML: expected 'key: value', with a space behind the colon, found "
       "'epochs = 2'"},
      {"base: query: x",
       "run.yaml:1:12: not valid YAML: a second ': ' in one line; a text that holds one stands in "
       "quotes"},
      {"base: m\n name: x",
       "run.yaml:2:2: not valid YAML: indented deeper than the line above, which has its value "
       "already; keys of one section begin in one column"},
      {"train:\n   epochs: 1\n  loss: {}",
       "run.yaml:3:3: not valid YAML: no line above has this indentation; keys of one section "
       "begin in one column"},
      {"base: 'm' n",
       "run.yaml:1:11: not valid YAML: something behind a value that is complete; a text with "
       "quotes or brackets in it stands in quotes as a whole"},
      {"k: [1, 2\npaths: [a]",
       "run.yaml:1:4: not valid YAML: this bracket is not closed, or not where it should be"},
      {"k: [1, 2]]", "run.yaml:1:10: not valid YAML: a bracket that closes none"},
      {"base: @m",
       "run.yaml:1:7: not valid YAML: no value begins with this character; a text that does stands "
       "in quotes"},
      {"base: m\nname: \xff", "run.yaml:2:7: not valid UTF-8"},
      {std::string("base: \xc3\xa4 \0", 10), "run.yaml:1:9: a control character"},
      {"base: \x1b[31m", "run.yaml:1:7: a control character"},
      {"base: m\nk: &k [*k]", "run.yaml:2:8: an alias to something that contains it"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string found = mistakes(text);
    EXPECT_EQ(found, expected) << text;
  }
}

TEST(Config, CollectsEveryMistakeInTheOrderOfTheFile) {
  EXPECT_EQ(mistakes("train:\n  loss: {scale: 0, typ: x}\n  epochs: no\nk: 1\nk: 2\nbase: ''\n",
                     {"train.seed=-1", "nam=x"}),
            "run.yaml:2:17: 'train.loss.scale': expected more than 0, found 0\n"
            "run.yaml:2:20: unknown key 'typ' in 'train.loss' (did you mean 'type'?)\n"
            "run.yaml:3:11: 'train.epochs': expected a whole number, found 'no'\n"
            "run.yaml:4:4: 'k': expected a list, like [1, 3], found '1'\n"
            "run.yaml:5:1: the key 'k' is given twice\n"
            "run.yaml:6:7: 'base': expected a string that is not empty\n"
            "override 'train.seed=-1': 'train.seed': expected at least 0, found -1\n"
            "override 'nam=x': unknown key 'nam' (did you mean 'name'?)");
}

TEST(Config, AWrongValueLeavesTheFieldAlone) {
  RunConfig config;
  config.k = {7};
  config.train.epochs = 5;
  EXPECT_THROW(ConfigDocument::parse("base: m\nk: [1, x]\ntrain: {epochs: 0}", "f").read(config),
               Error);
  EXPECT_EQ(config.k, std::vector<int>{7});
  EXPECT_EQ(config.train.epochs, 5);
}

TEST(Config, OverridesComeLast) {
  const RunConfig config = read("base: m\nk: [1]\ntrain: {epochs: 3}",
                                {"train.epochs=4", "train.loss.scale=5", "k=[2, 3]", "name=a=b",
                                 "base=/x/y.z", "train.epochs=6", "paths=[]"});
  EXPECT_EQ(config.train.epochs, 6);
  EXPECT_EQ(config.train.loss.scale, 5);
  EXPECT_EQ(config.k, (std::vector<int>{2, 3}));
  EXPECT_EQ(config.name, "a=b");
  EXPECT_EQ(config.base, "/x/y.z");
  EXPECT_EQ(read("", {"base=m"}).base, "m");
  EXPECT_EQ(read("base: m\ntrain:", {"train.epochs=9"}).train.epochs, 9);
}

TEST(Config, MistakesOfOverridesNameTheOverride) {
  const std::vector<Mistake> cases = {
      {"train.epoch=3",
       "override 'train.epoch=3': unknown key 'epoch' in 'train' (did you mean 'epochs'?)"},
      {"trian.epochs=3", "override 'trian.epochs=3': unknown key 'trian' (did you mean 'train'?)"},
      {"train.epochs=x",
       "override 'train.epochs=x': 'train.epochs': expected a whole number, found 'x'"},
      {"train.epochs='3'",
       "override 'train.epochs='3'': 'train.epochs': expected a whole number, found the string "
       "\"3\" "
       "(write it without quotes)"},
      {"name.x=1", "override 'name.x=1': 'name' is 'n' in the file; it has no keys"},
      {"train.loss.type=mnlr",
       "override 'train.loss.type=mnlr': 'train.loss.type': 'mnlr' is none of mnrl, cosine, "
       "triplet "
       "(did you mean 'mnrl'?)"},
      {"train=3", "override 'train=3': 'train': expected a mapping of keys to values, found '3'"},
      {"epochs", "override 'epochs': expected section.key=value"},
      {"=3", "override '=3': expected section.key=value"},
      {".a=3", "override '.a=3': expected section.key=value"},
      {"a.=3", "override 'a.=3': expected section.key=value"},
      {"a..b=3", "override 'a..b=3': expected section.key=value"},
      {"name=\"x", "override 'name=\"x': not valid YAML: this quote is not closed"},
      {"train.epochs=",
       "override 'train.epochs=': 'train.epochs': expected a whole number, found nothing (give a "
       "value or leave the key out)"},
      {"name=query: ",
       "override 'name=query: ': 'name': expected a string, found a mapping (a text that holds ': "
       "' "
       "stands in quotes)"},
      {"name=\xff", "override 'name=\xff': not valid UTF-8"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(mistakes("base: m\nname: n", {text}), expected) << text;
}

TEST(Config, ADocumentMayBeReadAgain) {
  ConfigDocument document = ConfigDocument::parse("base: m\nnam: 1", "f");
  for (int i = 0; i < 2; ++i) {
    RunConfig config;
    try {
      document.read(config);
      FAIL();
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "f:2:1: unknown key 'nam' (did you mean 'name'?)");
    }
  }
}

struct OptionalStages {
  TrainConfig train;
  bool trains = false;
  template <class Fields>
  void visit(Fields& f) {
    trains = f.has("train");
    if (trains) f.section("train", train, "");
  }
};

TEST(Config, AStageRunsOnlyWhenItIsNamed) {
  OptionalStages stages;
  ConfigDocument::parse("{}", "f").read(stages);
  EXPECT_FALSE(stages.trains);
  ConfigDocument::parse("train:", "f").read(stages);
  EXPECT_TRUE(stages.trains);
  try {
    ConfigDocument::parse("trains: {}", "f").read(stages);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "f:1:1: unknown key 'trains' (did you mean 'train'?)");
  }
}

TEST(Config, LoadsFiles) {
  const Scratch scratch;
  std::ofstream(scratch / "run.yaml") << "base: m\nnam: x\n";
  const auto message = [](const std::string& path) -> std::string {
    try {
      RunConfig config;
      ConfigDocument::load(path).read(config);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kConfig);
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(message(scratch / "run.yaml"),
            scratch / "run.yaml:2:1: unknown key 'nam' (did you mean 'name'?)");
  EXPECT_EQ(message(scratch / "none"), scratch / "none: there is no such file");
  EXPECT_EQ(message(scratch.path()), scratch.path() + ": a directory where a file is expected");
  std::ofstream(scratch / "big") << "#" << std::string(1 << 20, 'x');
  EXPECT_EQ(message(scratch / "big"), scratch / "big: larger than the 1048576 bytes allowed here");
}

TEST(Config, NestingAndSizeAreBounded) {
  const auto nested = [](int levels) {
    return "a: " + std::string(levels, '[') + std::string(levels, ']');
  };
  EXPECT_EQ(mistakes(nested(32)), "run.yaml:1:35: nested deeper than 32");
  EXPECT_NE(mistakes(nested(31)).find("unknown key 'a'"), std::string::npos);
  EXPECT_EQ(mistakes(nested(400'000)), "run.yaml:1:35: nested deeper than 32");
  EXPECT_NE(mistakes("a: " + std::string(1'000'000, '[')), "none");
  EXPECT_NE(mistakes(std::string(1'000'000, '{')), "none");
  std::string blocks;
  for (int i = 0; i < 500'000; ++i) blocks += "- ";
  EXPECT_NE(mistakes(blocks).find("nested deeper than 32"), std::string::npos);
  blocks.clear();
  for (int i = 0; i < 500'000; ++i) blocks += "? ";
  EXPECT_NE(mistakes(blocks), "none");

  std::string wide = "base: m\nk: [1";
  for (int i = 0; i < 300'000; ++i) wide += ",1";
  EXPECT_NE(mistakes(wide + "]").find("more than 10000 values"), std::string::npos);

  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 8; ++j) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_NE(mistakes(bomb).find("more than 10000 values (aliases count in full)"),
            std::string::npos);

  std::string tower = "a0: &a0 [x]\n";
  for (int i = 1; i < 40; ++i)
    tower += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) +
             "]\n";
  EXPECT_NE(mistakes(tower).find("nested deeper than 32"), std::string::npos);
}

TEST(ConfigPrinter, WhatItPrintsIsReadBackEqual) {
  std::mt19937_64 random(11);
  const std::vector<std::string> words = {"",
                                          "plain",
                                          "true",
                                          "null",
                                          "~",
                                          "010",
                                          "1e5",
                                          "a: b",
                                          "# no comment",
                                          "- x",
                                          "'",
                                          "\"",
                                          "\\",
                                          "two\nlines\n",
                                          " space ",
                                          "tab\t",
                                          "{x}",
                                          "[",
                                          "*a",
                                          "&a",
                                          "!t",
                                          "%d",
                                          "@",
                                          "<<",
                                          "gr\xc3\xbc\xc3\x9f",
                                          "\xf0\x9f\x98\x80",
                                          "\xc2\x85",
                                          "\xe2\x80\xa8",
                                          "\x01\x7f\x1b",
                                          "../up",
                                          "/etc/x-1.y",
                                          "a,b",
                                          "---",
                                          "\xef\xbb\xbf",
                                          "key: |\n  x",
                                          std::string("n\0l", 3)};
  const auto word = [&] {
    std::string out;
    for (unsigned i = 0; i <= random() % 3; ++i) out += words[random() % words.size()];
    return out;
  };
  for (int i = 0; i < 3000; ++i) {
    RunConfig config;
    config.base = "x" + word();
    config.name = word();
    config.k = {1 + static_cast<int>(random() % 1000), 2147483647};
    for (unsigned n = random() % 4; n > 0; --n) config.paths.push_back(word());
    config.train.epochs = 1 + static_cast<int>(random() >> 34);
    config.train.seed = random();
    config.train.learning_rate =
        std::ldexp(static_cast<double>(random()), -64 - static_cast<int>(random() % 900)) + 1e-300;
    config.train.warmup_ratio = std::ldexp(static_cast<double>(random() >> 11), -53);
    config.train.shuffle = random() % 2;
    config.train.loss.scale = static_cast<double>(1 + random() % 100);
    std::string text = print_config(config);
    // The test's rule forbids both; printed configurations hold everything.
    const std::size_t steps = text.find("  steps: -1\n");
    ASSERT_NE(steps, std::string::npos);
    text.erase(steps, 12);
    EXPECT_EQ(read(text), config) << text;
  }
}

TEST(ConfigPrinter, IsReadableYaml) {
  RunConfig config;
  config.base = "a b";
  config.paths = {"docs/", "x, y"};
  EXPECT_EQ(print_config(config),
            "base: \"a b\"\n"
            "name: \"\"\n"
            "k: [1, 3]\n"
            "paths: [docs/, \"x, y\"]\n"
            "train:\n"
            "  epochs: 2\n"
            "  steps: -1\n"
            "  seed: 42\n"
            "  learning_rate: 2e-05\n"
            "  warmup_ratio: 0.1\n"
            "  shuffle: true\n"
            "  loss:\n"
            "    type: mnrl\n"
            "    scale: 20\n");
}

struct Limits {
  std::optional<double> max_score, margin = 0.05;
  template <class Fields>
  void visit(Fields& f) {
    f.field("max_score", max_score, "of a candidate");
    f.field("margin", margin, "below the positive", at_least(0));
  }
  bool operator==(const Limits&) const = default;
};

TEST(Config, ANumberMayBeNoneAtAll) {
  const auto limits = [](const std::string& text) {
    Limits config;
    ConfigDocument::parse(text, "run.yaml").read(config);
    return config;
  };
  EXPECT_EQ(limits("max_score: 0.8\nmargin: null"), (Limits{0.8, std::nullopt}));
  EXPECT_EQ(limits("max_score: ~\nmargin:"), (Limits{std::nullopt, std::nullopt}));
  EXPECT_EQ(limits(""), (Limits{std::nullopt, 0.05}));
  for (const Limits& config : {Limits{0.5, std::nullopt}, Limits{std::nullopt, 0.0}})
    EXPECT_EQ(limits(print_config(config)), config) << print_config(config);
  EXPECT_THROW(limits("margin: -1"), Error);
  EXPECT_THROW(limits("margin: none"), Error);
  EXPECT_NE(document_config(Limits()).find("| `max_score` | number or null | `null` |"),
            std::string::npos);
}

TEST(ConfigDocumenter, WritesATable) {
  EXPECT_EQ(
      document_config<RunConfig>(),
      "| key | type | default | constraint | meaning |\n"
      "| --- | --- | --- | --- | --- |\n"
      "| `base` | string |  | required, not empty | the model \\| to begin with |\n"
      "| `name` | string | `\"\"` |  | of the run |\n"
      "| `k` | list of whole numbers | `[1, 3]` | not empty, at least 1 | cut-offs |\n"
      "| `paths` | list of strings | `[]` |  | documents |\n"
      "| **`train`** | section | | | the training |\n"
      "| `train.epochs` | whole number | `2` | at least 1 | passes over the pairs |\n"
      "| `train.steps` | whole number | `-1` | at least -1 | -1: as the epochs say |\n"
      "| `train.seed` | whole number | `42` |  | of the order |\n"
      "| `train.learning_rate` | number | `2e-05` | more than 0 | at its highest |\n"
      "| `train.warmup_ratio` | number | `0.1` | between 0 and 1 | of all steps |\n"
      "| `train.shuffle` | true or false | `true` |  | a new order in every epoch |\n"
      "| **`train.loss`** | section | | | what is made smaller |\n"
      "| `train.loss.type` | string | `mnrl` | one of mnrl, cosine, triplet | the objective |\n"
      "| `train.loss.scale` | number | `20` | more than 0 | 1 / temperature |\n");
}

TEST(Nearest, SuggestsWhatWasMeant) {
  const std::vector<std::string> known = {"epochs", "batch_size", "learning_rate", "k", "loss"};
  EXPECT_EQ(nearest("epoch", known), "epochs");
  EXPECT_EQ(nearest("epcohs", known), "epochs");
  EXPECT_EQ(nearest("batch", known), "batch_size");
  EXPECT_EQ(nearest("losses", known), "loss");
  EXPECT_EQ(nearest("learningrate", known), "learning_rate");
  EXPECT_EQ(nearest("x", known), std::nullopt);
  EXPECT_EQ(nearest("", known), std::nullopt);
  EXPECT_EQ(nearest("optimizer", known), std::nullopt);
  EXPECT_EQ(nearest(std::string(1 << 20, 'e'), known), std::nullopt);
}

}  // namespace
}  // namespace attune
