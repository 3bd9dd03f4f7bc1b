#include <fstream>
#include <memory>
#include <stdexcept>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "data/documents/document_reader.h"
#include "data/generation/answer_journal.h"
#include "data/generation/question_parser.h"
#include "data/qa_dataset.h"
#include "data/row_reader.h"
#include "data/tokenizers/json_tokenizer.h"
#include "data/tokenizers/sentencepiece_model.h"
#include "data/tokenizers/wordpiece.h"
#include "data/tokenizers/wordpiece_files.h"
#include "tests/core/scratch.h"
#include "tests/fuzz/fuzz_reader.h"
#include "trainer/metrics_lines.h"

namespace attune {
namespace {

using Words = std::vector<std::string>;

const Words kJsonWords = {"{",
                          "}",
                          "[",
                          "]",
                          ",",
                          ":",
                          "\"",
                          "\\",
                          "\\u",
                          "\\ud800",
                          "null",
                          "true",
                          "-",
                          "1e999",
                          "1e-400",
                          "18446744073709551616",
                          "\n",
                          "\xEF\xBB\xBF",
                          "\xed\xa0\x80",
                          "\xff",
                          "\"a\":",
                          "{\"a\":",
                          "[[",
                          "\"\":\"\""};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

void check(bool good, const char* what) {
  if (!good) throw std::logic_error(what);
}

void check_utf8(const std::string& text) {
  check(find_invalid_utf8(text) == std::string::npos, "a text was given that is not UTF-8");
}

// One file, written anew for each input.
std::function<void(const std::string&)> of_file(
    const std::string& name, const std::function<void(const std::string& path)>& read) {
  return [=, folder = std::make_shared<Scratch>()](const std::string& bytes) {
    const std::string path = *folder / name;
    std::ofstream(path, std::ios::binary) << bytes;
    read(path);
  };
}

std::function<void(const std::string&)> of_document(const std::string& name) {
  return of_file(name, [=](const std::string& path) {
    for (const Document& one : find_reader(name)->read({path, name, 0, {}}, "")) {
      check_utf8(one.content.title);
      for (const Section& section : one.content.sections) {
        for (const std::string& heading : section.path) check_utf8(heading);
        check_utf8(section.text + section.anchor);
        check(!section.path.empty() || !section.text.empty(), "an empty section");
      }
    }
  });
}

std::function<void(const std::string&)> of_rows(const std::string& name) {
  return of_file(name, [](const std::string& path) {
    RowReader reader(path);
    Row row;
    std::int64_t last = 0;
    std::string refusal;
    for (auto state = reader.next(row); state != RowReader::State::kEnd; state = reader.next(row)) {
      check(reader.line_number() > last, "lines do not go up");
      last = reader.line_number();
      if (state == RowReader::State::kRow)
        for (const std::string& text : row.texts) check_utf8(text);
      else
        refusal = reader.refusal();
      check(refusal.empty() || refusal.find("line ") != std::string::npos ||
                refusal.starts_with(path),
            "a refusal without a place");
    }
    if (!refusal.empty()) throw_error(ErrorKind::kData, refusal);  // counted as one
  });
}

const Words kTexts = {"",
                      "the model reads",
                      "  a\t\n\u3000X ",
                      "\uFF21\u00ad\u0301 e\u0301 \ufb01",
                      "\U0001F469\u200D\U0001F525 \u6a21 aaaaaaaa \n\n",
                      std::string("\0\x01", 2) + "\r\n[MASK]"};

template <class Ids>
void check_ids(const Ids& ids, std::int64_t size) {
  for (const auto id : ids) check(id >= 0 && id < size, "an id outside the vocabulary");
}

void use(const Tokenizer& tokenizer) {
  for (const std::string& text : kTexts) {
    std::vector<std::int32_t> ids;
    try {
      tokenizer.encode("q: ", text, 50, ids);
    } catch (const Error&) {  // no room for its special tokens, or no token for what is unknown
    }
    check(ids.size() <= 50, "more ids than asked for");
    check_ids(ids, tokenizer.vocabulary_size());
  }
}

void read_tokenizer(const std::string& bytes) {
  use(JsonTokenizer(parse_json(bytes, "fuzzed"), "fuzzed"));
}

void read_wordpiece(const std::string& bytes) {
  use(BertWordPiece(read_tokenizer_json(parse_json(bytes, "fuzzed"), "fuzzed"), "fuzzed"));
}

void read_vocabulary(const std::string& bytes) {
  use(BertWordPiece(read_vocabulary_txt(bytes, "fuzzed", nullptr, "none"), "fuzzed"));
}

void read_sentencepiece(const std::string& bytes) {
  const SentencePieceModel model(bytes, "fuzzed");
  for (const std::string& text : kTexts) {
    std::vector<int> ids;
    try {
      model.append(text, ids);
    } catch (const Error&) {  // the library says no to this text
    }
    check_ids(ids, model.size());
  }
}

struct Settings {
  int number = 1;
  bool flag = false;
  std::string text;
  std::vector<std::string> list;
  struct Inner {
    double real = 1;
    std::vector<int> numbers;
    template <class Fields>
    void visit(Fields& f) {
      f.field("real", real, "");
      f.field("numbers", numbers, "");
    }
  } inner;
  template <class Fields>
  void visit(Fields& f) {
    f.field("number", number, "");
    f.field("flag", flag, "");
    f.field("text", text, "");
    f.field("list", list, "");
    f.section("inner", inner, "");
  }
};

void read_yaml(const std::string& bytes) {
  Settings settings;
  ConfigDocument::parse(bytes, "fuzzed").read(settings);
  check_utf8(settings.text);
}

void read_questions(const std::string& bytes) {
  if (find_invalid_utf8(bytes) != std::string::npos)
    throw_error(ErrorKind::kData, "not UTF-8, which the caller refuses");
  for (const bool cut_off : {false, true})
    for (const std::string& question : parse_questions(bytes, cut_off)) check_utf8(question);
}

void read_metrics(const std::string& bytes) {
  const std::string kept = kept_metric_lines(bytes, 2, [](std::int64_t) { return true; });
  check(kept == kept_metric_lines(kept, 2, [](std::int64_t) { return true; }), "kept otherwise");
  if (kept.empty()) throw_error(ErrorKind::kData, "nothing is kept");
}

void read_answers(const std::string& path) {
  Passages passages;
  for (const char* id : {"aa", "bb", "cc"}) {
    passages.rows.emplace_back();
    passages.rows.back().id = id;
  }
  const JournalHeader header{"documents", 3, "m", "prompt", 2, 0.5};
  for (const auto& [id, answer] : read_journal(path, header, passages)) check_utf8(answer.text);
}

}  // namespace

std::vector<FuzzReader> plain_readers() {
  const Words tokenizer_words = with(
      kJsonWords, {"\"type\":\"Sequence\"", "\"Replace\"", "\"Regex\"", "\"\\\\p{L}+\"",
                   "\"(?i:ss)\"", "\"a{1000}\"", "\"[a-\"", "\"((((\"", "16777216", "\"##\"",
                   "\"\\u2581\"", "\"id\":-1", "\"pattern\"", "\"content\"", "\"normalized\""});
  const Words table_words = {
      "\"",    "\"\"",  ",",   "\t", "\r\n", "\n", "\xEF\xBB\xBF", "\xff", std::string(1, '\0'),
      "1e999", "[1,2]", "\xc3"};
  return {
      {"yaml",
       {": ",   "- ",    "? ",    "\n",    "\n  ",        "[",          "]",  "{",
        "}",    "\"",    "'",     "|\n",   ">-\n  ",      "&a ",        "*a", "<<: ",
        "!!x ", "!<t> ", "---\n", "...\n", "%YAML 1.2\n", "%TAG ! x\n", "#",  "\\x",
        "\\U",  "~",     "\t",    "\r",    "\xc3",        "1e5",        "@",  "`"},
       read_yaml},
      {"json", kJsonWords, [](const std::string& bytes) { parse_json(bytes, "fuzzed"); }},
      {"qa_dataset",
       with(kJsonWords, {"\"queries\":", "\"corpus\":", "\"relevant_docs\":", "\"mode\":\"image\"",
                         "\"q1\"", "\"d1\""}),
       of_file("set.json",
               [](const std::string& path) {
                 const auto set = EmbeddingQAFinetuneDataset::from_json(path);
                 for (const auto& row : set.relevant_docs) check_ids(row, set.corpus.size());
               })},
      {"rows_jsonl", with(kJsonWords, {"\"label\":", "\"query\":", "\"score\":[1,2]"}),
       of_rows("rows.jsonl")},
      {"rows_csv", table_words, of_rows("rows.csv")},
      {"rows_tsv", table_words, of_rows("rows.tsv")},
      {"gzip",
       {std::string("\x1f\x8b\x08", 3), std::string(4, '\0')},
       of_file("rows.csv.gz",
               [](const std::string& path) { read_text_file(path, std::size_t{1} << 20); })},
      {"html",
       {"<",          ">",        "&#0;",           "&#x110000;", "<!--", "</",
        "<table>",    "<svg>",    "<dl><dt>",       "<pre>",      "<h1>", "<title>",
        "<template>", "<p>",      "charset=utf-16", "\xFF\xFE",   "\xC2", std::string(1, '\0'),
        "<![CDATA[",  "<select>", "<math><mi>"},
       of_document("a.html")},
      {"markdown",
       {"#",       "\n",    "\r",
        "---\n",   "|-|\n", "|",
        "> ",      "- ",    "```",
        "    ",    "[",     "](",
        "![",      "\\",    "*",
        "_",       "<div>", "{{#include x}}\n",
        "title: ", "\xC2",  std::string(1, '\0'),
        "[^1]:",   "===\n"},
       of_document("a.md")},
      {"plain_text",
       {"\n", "\n\n", "-\n", "\f", "\xFF\xFE", "\xC2\xA0", "\xEF\xBB\xBF"},
       of_document("a.txt")},
      {"documents_jsonl", with(kJsonWords, {"\"text\":", "\"title\":", "\"id\":"}),
       of_document("a.jsonl")},
      {"documents_csv", table_words, of_document("a.csv")},
      {"tokenizer_json", tokenizer_words, read_tokenizer},
      {"wordpiece_json", tokenizer_words, read_wordpiece},
      {"vocabulary_txt",
       {"\n", "\r\n", "##", "[UNK]\n", "[CLS]\n", "[SEP]\n", "\xff", "\u2581"},
       read_vocabulary},
      {"sentencepiece",
       {"\u2581", "<0x00>", "<unk>", "\x0a", "\x12", std::string(4, '\0')},
       read_sentencepiece},
      {"answer_journal", with(kJsonWords, {"\"passage\":\"aa\"", "\"cut_off\":true", "-1"}),
       of_file("answers.jsonl", read_answers)},
      {"metrics", with(kJsonWords, {"\"step\":1", "\"event\":\"nonfinite\"", "\"event\":\"step\""}),
       read_metrics},
      {"model_answer",
       with(kJsonWords, {"<think>", "</think>", "1. ", "Q1: ", "- ", "**", "```json\n",
                         "A: ", "?\n", "\u201c"}),
       read_questions},
  };
}

}  // namespace attune
