#include "data/chunks/chunker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/json.h"
#include "data/chunks/near_duplicates.h"
#include "data/chunks/words.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

using Texts = std::vector<std::string>;

// One token for each word, and one at both ends.
class WordTokenizer final : public Tokenizer {
 public:
  void encode(std::string_view, std::string_view text, int,
              std::vector<std::int32_t>& out) const override {
    out.push_back(1);
    Words words(text);
    for (std::string_view word; words.next(word);) out.push_back(2);
    out.push_back(3);
  }
  std::int32_t vocabulary_size() const override { return 4; }
  Fingerprint fingerprint() const override { return "words"; }
};

Document document(std::vector<Section> sections) {
  return {"docs/a.html", "a.html", 0, {"Title", std::move(sections)}};
}

ChunkConfig small(int size, int min_words = 1) {
  ChunkConfig config;
  config.size = size;
  config.min_words = min_words;
  config.near_duplicates = 0;
  return config;
}

Passages cut(const std::vector<Section>& sections, const ChunkConfig& config) {
  const std::vector<Document> documents = {document(sections)};
  return make_passages(documents, config, WordTokenizer(), 1);
}

Texts texts_of(const Passages& passages) {
  Texts texts;
  for (const Passage& passage : passages.rows) texts.push_back(passage.text);
  return texts;
}

TEST(ChunkerTest, FillsPassagesWithWholeSentences) {
  const Passages passages =
      cut({{{"Top", "Sub"}, "One two three. Four five.  Six\n\n  seven eight. Nine.", "", 3}},
          small(6));
  EXPECT_EQ(texts_of(passages), (Texts{"One two three. Four five.  Six", "seven eight. Nine."}));
  const Passage& second = passages.rows[1];
  EXPECT_EQ(second.id, sha256(second.text).substr(0, 16));
  EXPECT_EQ(second.title, "Title");
  EXPECT_EQ(second.headings, (std::vector<std::string>{"Top", "Sub"}));
  EXPECT_EQ(second.page, 3);
  EXPECT_EQ(second.document, 0);
  EXPECT_EQ(passages.documents, 1);
  EXPECT_EQ(passages.sections, 1);
}

TEST(ChunkerTest, SpecialTokensAreNotCounted) {
  EXPECT_EQ(texts_of(cut({{{}, "One two. Three four."}}, small(4))).size(), 1U);
  EXPECT_EQ(texts_of(cut({{{}, "One two. Three four."}}, small(3))).size(), 2U);
}

TEST(ChunkerTest, MethodsDifferInWhereAPassageEnds) {
  const std::vector<Section> sections = {
      {{"A"}, "One.", "", 1}, {{"B"}, "Two.", "", 1}, {{"C"}, "Three.", "", 2}};
  ChunkConfig config = small(16);
  EXPECT_EQ(texts_of(cut(sections, config)), (Texts{"One.", "Two.", "Three."}));
  config.method = "pages";
  EXPECT_EQ(texts_of(cut(sections, config)), (Texts{"One.\nTwo.", "Three."}));
  config.method = "tokens";
  const Passages passages = cut(sections, config);
  EXPECT_EQ(texts_of(passages), (Texts{"One.\nTwo.\nThree."}));
  EXPECT_EQ(passages.rows[0].headings, (std::vector<std::string>{"A"}));
  EXPECT_EQ(passages.rows[0].page, 1);
  config.method = "pages";  // where there are none: sections
  EXPECT_EQ(texts_of(cut({{{"A"}, "One."}, {{"B"}, "Two."}}, config)), (Texts{"One.", "Two."}));
}

TEST(ChunkerTest, OverlapsByWholeSentences) {
  ChunkConfig config = small(4);
  config.overlap = 2;
  EXPECT_EQ(texts_of(cut({{{}, "Aa bb. Cc dd. Ee ff. Gg hh ii. Jj."}}, config)),
            (Texts{"Aa bb. Cc dd.", "Cc dd. Ee ff.", "Gg hh ii. Jj."}));
  config.overlap = 1;
  EXPECT_EQ(texts_of(cut({{{}, "Aa bb. Cc. Dd. Ee ff gg. Hh ii."}}, config)),
            (Texts{"Aa bb. Cc. Dd.", "Dd. Ee ff gg.", "Hh ii."}));
}

TEST(ChunkerTest, CutsALongSentenceAtWords) {
  EXPECT_EQ(texts_of(cut({{{}, "a b c d e f g h i j k. L."}}, small(4))),
            (Texts{"a b c d", "e f g h", "i j k. L."}));
}

TEST(ChunkerTest, CutsScriptsWithoutSpacesBetweenCharacters) {
  EXPECT_EQ(texts_of(cut({{{}, "一二三四五六七八九十。"}}, small(4))),
            (Texts{"一二三四", "五六七八", "九十。"}));
  // A mark stays with its character.
  for (const std::string& text : texts_of(cut({{{}, "กำลังใจที่ดีที่สุดในโลก"}}, small(4))))
    EXPECT_EQ(find_invalid_utf8(text), std::string_view::npos);
}

TEST(ChunkerTest, CutsAWordOfAnyLength) {
  std::string word;
  while (word.size() < 3'000'000) word += "ä";
  const auto began = std::chrono::steady_clock::now();
  const Passages passages = cut({{{}, word}}, small(254));
  std::string again;
  for (const Passage& passage : cut({{{}, "x" + word + "y"}}, small(254)).rows) {
    EXPECT_LE(passage.text.size(), 254U * 32);
    EXPECT_EQ(find_invalid_utf8(passage.text), std::string_view::npos);
    again += passage.text;
  }
  EXPECT_LT(again.size(), 3 * 254U * 32);  // equal parts are one passage
  EXPECT_GT(passages.skipped_equal, 300);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  EXPECT_LT(seconds.count(), 20);
}

TEST(ChunkerTest, TheLastPassageIsMadeLongEnough) {
  EXPECT_EQ(texts_of(cut({{{}, "Aa bb cc. Dd ee ff. Gg hh ii. Jj."}}, small(9, 3))),
            (Texts{"Aa bb cc. Dd ee ff.", "Gg hh ii. Jj."}));
  ChunkConfig config = small(9, 5);
  config.overlap = 3;
  EXPECT_EQ(texts_of(cut({{{}, "Aa bb cc. Dd ee ff. Gg hh ii. Jj."}}, config)),
            (Texts{"Aa bb cc. Dd ee ff. Gg hh ii.", "Dd ee ff. Gg hh ii. Jj."}));
}

TEST(ChunkerTest, CountsWhatIsLeftOut) {
  ChunkConfig config = small(50, 3);
  config.near_duplicates = 0.8;
  std::string long_text, changed;
  for (int i = 0; i < 40; ++i) long_text += "word" + std::to_string(i) + (i == 39 ? "." : " ");
  changed = long_text.substr(0, long_text.size() - 1) + "!";
  const Passages passages = cut({{{}, long_text},
                                 {{}, "Too short."},
                                 {{}, long_text},
                                 {{}, changed},
                                 {{}, "你好世"},
                                 {{}, "你好世界吗"}},
                                config);
  EXPECT_EQ(texts_of(passages), (Texts{long_text, "你好世界吗"}));
  EXPECT_EQ(passages.skipped_short, 2);
  EXPECT_EQ(passages.skipped_equal, 1);
  EXPECT_EQ(passages.skipped_near_equal, 1);
  EXPECT_EQ(passages.sections, 6);
}

TEST(ChunkerTest, RefusesTextThatIsNotUtf8WithItsPath) {
  try {
    cut({{{}, "fine"}, {{}, "a\xFF"}}, small(16));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("docs/a.html"), std::string::npos);
  }
}

TEST(ChunkerTest, RefusesAnOverlapOfMoreThanHalf) {
  ChunkConfig config;
  EXPECT_THROW(ConfigDocument::parse("{size: 100, overlap: 51}", "x.yaml").read(config), Error);
  ConfigDocument::parse("{size: 100, overlap: 50}", "x.yaml").read(config);
  EXPECT_THROW(ConfigDocument::parse("{near_duplicates: 1.1}", "x.yaml").read(config), Error);
  EXPECT_THROW(ConfigDocument::parse("{method: words}", "x.yaml").read(config), Error);
}

// What holds for any documents: passages fit, are parts of their sections, and nothing is lost.
void expect_sound(const std::vector<Document>& documents, const Tokenizer& tokenizer,
                  const ChunkConfig& config) {
  const Passages passages = make_passages(documents, config, tokenizer, 2);
  ASSERT_GT(passages.rows.size(), documents.size() / 2);
  std::set<std::string> texts;
  for (const Passage& passage : passages.rows) {
    std::vector<std::int32_t> ids;
    tokenizer.encode("", passage.text, 1 << 20, ids);
    EXPECT_LE(ids.size(), static_cast<std::size_t>(config.size) + 2) << passage.text;
    EXPECT_GE(count_words(passage.text), config.min_words);
    EXPECT_EQ(trim_white_space(passage.text), passage.text);
    EXPECT_TRUE(texts.insert(passage.text).second);
    bool is_part = false;
    for (const Section& section : documents[passage.document].content.sections)
      is_part = is_part || (section.path == passage.headings &&
                            section.text.find(passage.text) != std::string::npos);
    EXPECT_TRUE(is_part) << passage.text;
  }
  const Passages again = make_passages(documents, config, tokenizer, 1);
  ASSERT_EQ(again.rows.size(), passages.rows.size());
  for (std::size_t row = 0; row < again.rows.size(); ++row)
    EXPECT_EQ(again.rows[row].id, passages.rows[row].id);

  ChunkConfig everything = config;
  everything.min_words = 1;
  everything.near_duplicates = 0;
  const Passages all = make_passages(documents, everything, tokenizer);
  if (all.skipped_equal > 0 || all.skipped_short > 0) return;
  std::string given, found;
  for (const Document& each : documents)
    for (const Section& section : each.content.sections) {
      Words words(section.text);
      for (std::string_view word; words.next(word);) given += word;
    }
  for (const Passage& passage : all.rows) {
    Words words(passage.text);
    for (std::string_view word; words.next(word);) found += word;
  }
  EXPECT_EQ(given == found, true);
}

TEST(ChunkerTest, IsSoundInFiveLanguages) {
  const std::string folder = source_path("../shared/data/xquad/raw/");
  if (!file_exists(folder + "xquad.en.json")) GTEST_SKIP() << "needs shared/data/xquad";
  const auto tokenizer = load_tokenizer(source_path("tests/fixtures/tokenizer"));
  for (const char* language : {"en", "de", "es", "zh", "ar"}) {
    std::vector<Document> documents;
    const Json file = read_json_file(folder + "xquad." + language + ".json");
    for (const Json& article : file.at("data")) {
      Document one = document({});
      for (const Json& paragraph : article.at("paragraphs")) {
        const std::string heading = std::to_string(one.content.sections.size());
        one.content.sections.push_back({{heading}, paragraph.at("context")});
      }
      documents.push_back(std::move(one));
    }
    expect_sound(documents, *tokenizer, small(40, 3));
    expect_sound(documents, *tokenizer, small(254, 12));
  }
}

// Markdown as it stands, line by line: code, tables, references, no end of sentences.
TEST(ChunkerTest, IsSoundOnTheRustBook) {
  const std::string folder = source_path("../shared/data/docs_rustbook/raw/src");
  if (!file_exists(folder)) GTEST_SKIP() << "needs shared/data/docs_rustbook";
  std::vector<Document> documents;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".md")
      documents.push_back(document({{{}, read_file(entry.path().string())}}));
  ASSERT_GT(documents.size(), 100U);
  const auto tokenizer = load_tokenizer(source_path("tests/fixtures/tokenizer"));
  expect_sound(documents, *tokenizer, ChunkConfig());
}

}  // namespace
}  // namespace attune
