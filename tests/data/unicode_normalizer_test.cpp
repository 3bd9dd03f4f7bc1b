#include "data/tokenizers/unicode_normalizer.h"

#include <gtest/gtest.h>

#include <string>

namespace attune {
namespace {

TEST(UnicodeNormalizer, Forms) {
  const auto nfc = [](const char* text) { return normalize_unicode(UnicodeForm::kNfc, text); };
  const auto nfkd = [](const char* text) { return normalize_unicode(UnicodeForm::kNfkd, text); };
  EXPECT_EQ(nfc("xe\xcc\x81y"), "x\xc3\xa9y");
  EXPECT_EQ(nfc("\xcc\x81"), "\xcc\x81");  // a mark without a letter
  EXPECT_EQ(nfc("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8z"), "\xea\xb0\x81z");  // Hangul
  EXPECT_EQ(nfkd("\xef\xac\x81\xc2\xb2"), "fi2");
  EXPECT_EQ(normalize_unicode(UnicodeForm::kNfkc, "\xe2\x84\xa6\xef\xbc\xa1"),
            "\xce\xa9"
            "A");
  EXPECT_EQ(normalize_unicode(UnicodeForm::kNfd, "\xea\xb0\x81\xc3\xa9"),
            "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8"
            "e\xcc\x81");
  EXPECT_EQ(nfc(""), "");
}

// Marks in any order give the same, and a form is its own form.
TEST(UnicodeNormalizer, OrderAndIdempotence) {
  const std::string below = "\xcc\xa3", above = "\xcc\x87";
  for (const UnicodeForm form :
       {UnicodeForm::kNfc, UnicodeForm::kNfd, UnicodeForm::kNfkc, UnicodeForm::kNfkd}) {
    const std::string one = normalize_unicode(form, "s" + below + above + "t");
    EXPECT_EQ(one, normalize_unicode(form, "s" + above + below + "t"));
    EXPECT_EQ(one, normalize_unicode(form, one));
  }
}

}  // namespace
}  // namespace attune
