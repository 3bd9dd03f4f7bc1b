#include "data/documents/html_reader.h"

#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

// "a > b: text" for each section.
std::vector<std::string> outline(const DocumentContent& document) {
  std::vector<std::string> lines;
  for (const Section& section : document.sections) {
    std::string line;
    for (const std::string& heading : section.path) line += (line.empty() ? "" : " > ") + heading;
    lines.push_back(line + ": " + section.text);
  }
  return lines;
}

std::vector<std::string> outline(const std::string& html) {
  return outline(parse_html(html, "page.html"));
}

using Lines = std::vector<std::string>;

TEST(DocumentContentTest, HeadingsNest) {
  EXPECT_EQ(outline("<title>T</title><h1>A</h1>one<h2>B</h2><p>two<h3>C</h3>three<h2>D</"
                    "h2>four<h1>E</h1>five"),
            (Lines{"A: one", "A > B: two", "A > B > C: three", "A > D: four", "E: five"}));
}

TEST(DocumentContentTest, SkippedLevelsAndTextBeforeAnyHeading) {
  EXPECT_EQ(outline("before<h3>C</h3>x<h2>B</h2>y"), (Lines{": before", "C: x", "B: y"}));
}

TEST(DocumentContentTest, NoHeadingAndEmptyPages) {
  const DocumentContent document = parse_html("<title> A \n title </title><p>only text", "p");
  EXPECT_EQ(document.title, "A title");
  EXPECT_EQ(outline(document), (Lines{": only text"}));
  EXPECT_TRUE(parse_html("", "p").sections.empty());
  EXPECT_TRUE(parse_html("<html><body></body></html>", "p").sections.empty());
}

TEST(DocumentContentTest, WhiteSpaceBlocksAndEntities) {
  EXPECT_EQ(
      outline(
          "<h1>A &amp;\n B</h1><p>x \n\t y&nbsp;z<b>b</b>old</p><ul><li>i</li><li>j</ul>k<br>l"),
      (Lines{"A & B: x y zbold\ni\nj\nk\nl"}));
  EXPECT_EQ(outline("<h1>T</h1><table><tr><td>a<td>b<tr><td>c</table>"), (Lines{"T: a b\nc"}));
  EXPECT_EQ(outline("<h1>T</h1><pre>if x:\n    y\n\nz</pre>after"),
            (Lines{"T: if x:\ny\nz\nafter"}));
}

TEST(DocumentContentTest, LeavesOutWhatIsNotThePagesText) {
  EXPECT_EQ(
      outline("<nav>n</nav><div class='related x'>r</div><header>banner</header>"
              "<h1>A<a class=headerlink href=#a>¶</a></h1>text<script>s()</script><style>s</style>"
              "<span class=linenos>1 2</span><div class=toc><dl><dt>Why?</dt></dl></div>"
              "<div role=search>q</div><footer>f</footer><div id=footer>g</div><!-- c -->"),
      (Lines{"A: text"}));
  EXPECT_EQ(outline("<h1>B ¶</h1>x"), (Lines{"B: x"}));
}

TEST(DocumentContentTest, ReadsTheMainPartOnly) {
  EXPECT_EQ(outline("side<main><header><h1>A</h1></header>text</main>side"), (Lines{"A: text"}));
  EXPECT_EQ(outline("side<div class='body' role=main><h1>A</h1>text</div>side"),
            (Lines{"A: text"}));
  EXPECT_EQ(outline("side<div class='document body'><h1>A</h1>text</div>side"), (Lines{"A: text"}));
}

TEST(DocumentContentTest, QuestionTermsAreSections) {
  EXPECT_EQ(
      outline("<h2>Setup</h2>intro<dl><dt>What is\n <code>x</code>?</dt><dd>It is x."
              "<dl><dt>term</dt><dd>meaning</dd></dl></dd><dt>And y?<dd>Y.</dl>rest<h2>Next</h2>z"),
      (Lines{"Setup: intro\nrest", "Setup > What is x?: It is x.\nterm\nmeaning",
             "Setup > And y?: Y.", "Next: z"}));
}

TEST(DocumentContentTest, NestedQuestionsReturnToTheOuterAnswer) {
  EXPECT_EQ(outline("<dl><dt>A?<dd>a<dl><dt>B?<dd>b</dl>more a</dl>end"),
            (Lines{": end", "A?: a\nmore a", "A? > B?: b"}));
  EXPECT_EQ(outline("<dl><dt>A?<dd>a<h2>H</h2>h</dl>end"), (Lines{"A?: a", "H: h\nend"}));
  EXPECT_EQ(outline("<dt>Lone?</dt>x<h1>H</h1>y"), (Lines{"Lone?: x", "H: y"}));
}

TEST(DocumentContentTest, Anchors) {
  const DocumentContent document = parse_html(
      "<section id=one><h1>A</h1>x</section><h2 id=two>B</h2>x<h2><a "
      "name=three></a>C</h2>x<h2>D</h2>x",
      "p");
  std::vector<std::string> anchors;
  for (const Section& section : document.sections) anchors.push_back(section.anchor);
  EXPECT_EQ(anchors, (Lines{"one", "two", "three", ""}));
}

TEST(DocumentContentTest, MalformedMarkupIsRead) {
  EXPECT_EQ(outline("<h1>A<p>x</b></i></h1></div>y<h2>B</h2>"), (Lines{"A x: y", "A x > B: "}));
  EXPECT_EQ(outline("</p></body><h2>B<h2>C</h2>x &lt; &bogus; <"),
            (Lines{"B: ", "C: x < &bogus; <"}));
  EXPECT_NO_THROW(outline(std::string("<h1>a\0b</h1><p>\0", 16)));
}

TEST(DocumentContentTest, RefusesOtherEncodings) {
  try {
    parse_html("<p>caf\xE9</p>", "docs/old.html");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("docs/old.html: byte 6"), std::string::npos)
        << error.what();
  }
}

TEST(DocumentContentTest, RefusesHostileDepth) {
  std::string deep;
  for (int i = 0; i < 300000; ++i) deep += "<div>";
  EXPECT_THROW(parse_html(deep, "deep.html"), Error);
  std::string drawing = "<h1>D</h1>x<svg>", list = "<h1>L</h1><ul>";
  for (int i = 0; i < 20000; ++i) drawing += "<path d='M0'/>";
  for (int i = 0; i < 12000; ++i) list += "<li>i";
  EXPECT_EQ(outline(drawing), (Lines{"D: x"}));
  EXPECT_EQ(parse_html(list, "l").sections.size(), 1u);
  std::string hidden = "<svg><div>";
  for (int i = 0; i < 20000; ++i) hidden += "<path/>";
  EXPECT_THROW(parse_html(hidden, "hidden.html"), Error);
  std::string nested;
  for (int i = 0; i < 3000; ++i) nested += "<div>";
  EXPECT_EQ(outline(nested + "deep"), (Lines{": deep"}));
}

// Each open term's text reaches to the end of the page: read once a term, this took seconds.
TEST(DocumentContentTest, TermsInTermsAreReadOnce) {
  std::string terms;
  for (int i = 0; i < 4990; ++i) terms += "<dl><dt><span>";
  const std::clock_t start = std::clock();
  EXPECT_EQ(outline(terms + "Why?<dd>so"), (Lines{": Why?\nso"}));
  EXPECT_EQ(outline("<dl><dt>A list<dl><dt>Which?<dd>red</dl></dl>"),
            (Lines{": A list\nWhich?\nred"}));
  EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC);  // what docs/reliability.md allows
}

TEST(DocumentContentTest, PythonsTutorial) {
  const std::string path = "/usr/share/doc/python3/html/tutorial/classes.html";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "python3-doc is not installed";
  const DocumentContent document = parse_html(read_file(path), path);
  EXPECT_TRUE(document.title.starts_with("9. Classes"));
  ASSERT_GT(document.sections.size(), 10u);
  EXPECT_EQ(document.sections[1].path,
            (Lines{"9. Classes", "9.1. A Word About Names and Objects"}));
  EXPECT_EQ(document.sections[1].anchor, "a-word-about-names-and-objects");
  EXPECT_TRUE(document.sections[1].text.starts_with("Objects have individuality, and multiple"));
}

TEST(DeclaredCharsetTest, InMetaElementsOnly) {
  EXPECT_EQ(declared_charset("<meta name=x><META charset='KOI8-R'>"), "KOI8-R");
  EXPECT_EQ(declared_charset("<meta http-equiv=content-type content='text/html;charset = a;b'>"),
            "a");
  EXPECT_EQ(declared_charset("<meta content='charset=a'><!-- <meta charset=b> --><p charset=c>"),
            "");
  EXPECT_EQ(declared_charset("<meta http-equiv=content-type content='charset'>"), "");
  EXPECT_EQ(declared_charset(std::string(2000, ' ') + "<meta charset=late>"), "");
  EXPECT_EQ(declared_charset(""), "");
}

}  // namespace
}  // namespace attune
