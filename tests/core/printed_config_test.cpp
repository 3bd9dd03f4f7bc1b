#include "core/printed_config.h"

#include <gtest/gtest.h>

#include "core/config_reader.h"
#include "core/error.h"

namespace attune {
namespace {

struct Inner {
  double rate = 0.5;
  std::vector<std::string> names = {"a", "b, \"c\""};
  template <class Fields>
  void visit(Fields& f) {
    f.field("rate", rate, "");
    f.field("names", names, "");
  }
};

struct Outer {
  std::string text = "x: \"y\"\n";
  Inner inner;
  bool last = true;
  template <class Fields>
  void visit(Fields& f) {
    f.field("text", text, "");
    f.section("inner", inner, "");
    f.field("last", last, "");
  }
};

TEST(PrintedConfig, WhatThePrinterPrints) {
  const auto settings = parse_printed_config(print_config(Outer()), "p");
  ASSERT_EQ(settings.size(), 4u);
  EXPECT_EQ(settings[1].key, "inner.rate");
  EXPECT_EQ(settings[1].value, "0.5");
  EXPECT_EQ(settings[3].key, "last");
  EXPECT_EQ(value_of(settings, "last"), "true");
  EXPECT_EQ(value_of(settings, "absent"), "");
  EXPECT_EQ(list_items(value_of(settings, "inner.names")),
            (std::vector<std::string>{"a", "b, \"c\""}));
  Outer other;
  other.inner.rate = 2e-5;
  const auto changed = settings_beyond(parse_printed_config(print_config(other), "p"), settings);
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_EQ(changed[0], (Setting{"inner.rate", "2e-05"}));
}

TEST(PrintedConfig, ListsAndTexts) {
  EXPECT_EQ(list_items("[]"), std::vector<std::string>());
  EXPECT_EQ(list_items("\"\""), std::vector<std::string>());
  EXPECT_EQ(list_items(""), std::vector<std::string>());
  EXPECT_EQ(list_items("a b"), std::vector<std::string>{"a b"});
  EXPECT_EQ(list_items("[1, 3]"), (std::vector<std::string>{"1", "3"}));
  EXPECT_EQ(unquoted("\"a\\\\b\\\"\""), "a\\b\"");
  EXPECT_EQ(unquoted("plain"), "plain");
}

TEST(PrintedConfig, OtherTextsAreRefusedWithTheirLine) {
  for (const char* wrong : {"a", "a:b", " a: 1", "a:\n- x", "a: 1\n    b: 2", ": 1", "a: "}) try {
      parse_printed_config(wrong, "p.yaml");
      ADD_FAILURE() << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_TRUE(std::string(error.what()).starts_with("p.yaml:")) << error.what();
    }
  EXPECT_TRUE(parse_printed_config("# said by a person\n\n", "p").empty());
}

}  // namespace
}  // namespace attune
