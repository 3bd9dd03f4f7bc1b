// What reading a configuration tells beside its values: origins, settings without effect; and the
// JSON Schema of the same fields.
#include <gtest/gtest.h>

#include "core/config_reader.h"
#include "core/config_schema.h"
#include "core/error.h"

namespace attune {
namespace {

struct Inner {
  double rate = 0.5;
  std::string kind = "a";
  template <class Fields>
  void visit(Fields& f) {
    Constraint share = above(0);
    share.maximum = 1;
    f.field("rate", rate, "how fast", share);
    f.field("kind", kind, "which", one_of({"a", "b"}));
    f.no_effect("rate", kind == "b", "kind is b");
  }
};

struct Outer {
  std::string name;
  int steps = 3;
  bool loud = false;
  std::uint64_t seed = 1;
  std::optional<double> limit;
  std::vector<int> k = {1, 2};
  std::vector<std::string> files, paths;
  Inner inner;
  template <class Fields>
  void visit(Fields& f) {
    Constraint named = required();
    named.not_empty = true;
    f.field("name", name, "of it", named);
    f.field("steps", steps, "how many", between(1, 10));
    f.field("loud", loud, "or not");
    f.field("seed", seed, "of chance");
    f.field("limit", limit, "if any");
    f.field("k", k, "cut-offs", at_least(1));
    f.field("files", files, "one or several", list_or_one());
    f.field("paths", paths, "several", not_empty());
    f.section("inner", inner, "what is inside");
    f.no_effect("inner", loud, "it is loud");
    f.no_effect("inner.kind", steps > 5, "there are many steps");
    if (inner.rate == 1) f.mistake("inner.rate", "too fast");
  }
};

struct Read {
  Outer outer;
  std::vector<std::string> warnings;
  ConfigOrigins origins;
};

Read read(const std::string& text, const std::vector<std::string>& overrides = {}) {
  ConfigDocument document = ConfigDocument::parse(text, "run.yaml", overrides);
  Read result;
  document.read(result.outer);
  result.warnings = document.warnings();
  result.origins = document.origins();
  return result;
}

TEST(ConfigNotes, OriginsNameLineOrOverride) {
  const Read result =
      read("name: x\ninner:\n  rate: 0.1\nfiles: a\n", {"steps=4", "inner.kind=b", "k=[3]"});
  EXPECT_EQ(result.origins, (ConfigOrigins{{"name", "run.yaml:1"},
                                           {"inner.rate", "run.yaml:3"},
                                           {"files", "run.yaml:4"},
                                           {"steps", "override"},
                                           {"inner.kind", "override"},
                                           {"k", "override"}}));
}

TEST(ConfigNotes, PrintedWithOriginsIsReadBackEqual) {
  Read result = read("name: x\npaths: ['a # b']\n", {"steps=4"});
  ConfigPrinter printer;
  result.outer.visit(printer);
  const std::string printed = print_with_origins(printer, result.origins);
  for (const char* line : {"  # run.yaml:1\n", "  # override\n", "  # default\n"})
    EXPECT_NE(printed.find(line), std::string::npos) << printed;
  EXPECT_NE(printed.find("\ninner:\n"), std::string::npos)
      << "a section has no origin: " << printed;
  EXPECT_EQ(print_config(read(printed).outer), print_config(result.outer));
}

TEST(ConfigNotes, WarnsOnlyOfValuesThatWereChanged) {
  EXPECT_TRUE(read("name: x\ninner: {rate: 0.5, kind: b}\n").warnings.empty()) << "the default";
  EXPECT_TRUE(read("name: x\ninner: {rate: 0.1, kind: a}\n").warnings.empty());
  EXPECT_EQ(read("name: x\ninner:\n  kind: b\n  rate: 0.1\n").warnings,
            (std::vector<std::string>{"run.yaml:4:3: 'inner.rate' has no effect: kind is b"}));
  EXPECT_EQ(read("name: x\n", {"inner.kind=b", "inner.rate=0.1"}).warnings,
            (std::vector<std::string>{
                "override 'inner.rate=0.1': 'inner.rate' has no effect: kind is b"}));
}

TEST(ConfigNotes, ASectionIsWarnedOfWhereverItIsGiven) {
  EXPECT_EQ(read("name: x\nloud: true\ninner:\n").warnings.size(), 1u);
  EXPECT_TRUE(read("name: x\nloud: true\n").warnings.empty());
  EXPECT_EQ(
      read("name: x\nsteps: 6\ninner: {kind: b}\n").warnings,
      (std::vector<std::string>{"run.yaml:3:9: 'inner.kind' has no effect: there are many steps"}));
}

TEST(ConfigNotes, MistakesBelowASectionStandInTheirLine) {
  try {
    read("name: x\ninner:\n  kind: a\n  rate: 1\n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "run.yaml:4:3: too fast");
  }
}

TEST(ConfigNotes, SettingsByTheirPath) {
  Outer outer;
  outer.name = "x";
  const auto settings = settings_of(outer, "all");
  EXPECT_EQ(settings.at("all.inner.rate"), "0.5");
  EXPECT_EQ(settings.at("all.name"), "x");
  EXPECT_EQ(settings.at("all.files"), "\"\"");
  EXPECT_FALSE(settings.contains("all.inner"));
}

TEST(ConfigSchema, HasTypesRangesChoicesAndRequiredKeys) {
  const Json schema = config_schema<Outer>("outer");
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["required"], Json::parse(R"(["name"])"));
  EXPECT_EQ(schema["additionalProperties"], false);
  const auto property = [&](const char* key) {
    Json found = schema["properties"][key];
    found.erase("description");
    return found;
  };
  EXPECT_EQ(property("name"),
            Json::parse(R"({"type": ["string", "number", "boolean"], "minLength": 1})"));
  EXPECT_EQ(property("steps"),
            Json::parse(R"({"type": "integer", "minimum": 1, "maximum": 10, "default": 3})"));
  EXPECT_EQ(property("loud"), Json::parse(R"({"type": "boolean", "default": false})"));
  EXPECT_EQ(property("seed"), Json::parse(R"({"type": "integer", "minimum": 0, "default": 1})"));
  EXPECT_EQ(property("limit"), Json::parse(R"({"type": ["number", "null"], "default": null})"));
  EXPECT_EQ(
      property("k"),
      Json::parse(
          R"({"type": "array", "items": {"type": "integer", "minimum": 1}, "default": [1, 2]})"));
  EXPECT_EQ(property("paths")["minItems"], 1);
  EXPECT_EQ(property("files")["anyOf"][0]["items"],
            Json::parse(R"({"type": ["string", "number", "boolean"]})"))
      << "nothing is no element";
  const Json inner = property("inner");
  EXPECT_EQ(inner["type"], Json::parse(R"(["object", "null"])")) << "'inner:' is every default";
  EXPECT_EQ(inner["properties"]["rate"]["exclusiveMinimum"], 0);
  EXPECT_EQ(inner["properties"]["kind"]["enum"], Json::parse(R"(["a", "b"])"));
  EXPECT_EQ(schema["properties"]["steps"]["description"], "how many");
}

}  // namespace
}  // namespace attune
