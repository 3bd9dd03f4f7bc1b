#include "data/generation/definitions.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "core/error.h"
#include "data/generation/english_words.h"
#include "data/generation/headings.h"
#include "data/generation/offline_generators.h"
#include "data/generation/question_words.h"

namespace attune {
namespace {

constexpr std::size_t kLongestSentence = 60, kLongestSubject = 5, kLongestPhrase = 10;  // words
constexpr std::size_t kLongestWord = 64;                                                // bytes

using Text = std::optional<std::string>;

template <std::size_t N>
bool is_one_of(std::string_view word, const std::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool is_article(std::string_view word) { return is_one_of(word, {"a", "an", "the"}); }
bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }

// Names and acronyms: a capital, digit or underscore that a common noun does not have.
bool has_name_mark(std::string_view word) {
  return std::any_of(word.begin(), word.end(),
                     [](char c) { return is_capital(c) || (c >= '0' && c <= '9') || c == '_'; });
}

// The words of one sentence.
class Sentence {
 public:
  // Empty if it has more than kLongestSentence words.
  explicit Sentence(std::string_view text) {
    WordReader reader(text);
    while (reader.next()) {
      if (words_.size() == kLongestSentence) {
        words_.clear();
        return;
      }
      words_.push_back({reader.word(), reader.gap(), lower_case(reader.word())});
      end_ = reader.rest();
    }
  }
  std::size_t size() const { return words_.size(); }
  std::string_view word(std::size_t i) const { return words_[i].text; }
  std::string_view end() const { return end_; }  // behind the last word
  // In lower case; empty behind the end.
  std::string_view lower(std::size_t i) const {
    return i < size() ? std::string_view(words_[i].lower) : std::string_view();
  }
  bool follows_comma(std::size_t i) const { return i < size() && words_[i].gap == ", "; }
  // Whether nothing but white space is between the words of [first, last).
  bool is_joined(std::size_t first, std::size_t last) const {
    for (std::size_t i = first; i < last; ++i)
      if (i == 0 ? !words_[i].gap.empty()
                 : i > first && words_[i].gap != " " && words_[i].gap != "\n")
        return false;
    return true;
  }
  std::size_t find_comma(std::size_t from) const {
    while (from < size() && !follows_comma(from)) ++from;
    return from;
  }

 private:
  struct Word {
    std::string_view text, gap;
    std::string lower;
  };
  std::vector<Word> words_;
  std::string_view end_;
};

// Makes the questions of one passage.
class Asker {
 public:
  Asker(const Passage& passage, bool begins_section, std::size_t most)
      : passage_(passage), begins_section_(begins_section), most_(most) {}

  std::vector<std::string> ask() {
    if (!is_english(passage_.text)) return {};
    if (begins_section_ && !passage_.headings.empty())
      add(instruction_heading(strip_section_number(passage_.headings.back())));
    for (const std::string_view text : readable_sentences(passage_.text)) {
      if (questions_.size() >= most_) break;
      if (!is_whole_sentence(text)) continue;
      const Sentence sentence(text);
      if (sentence.size() < 4) continue;
      add(definition(sentence));
      add(naming(sentence));
      add(instruction(sentence));
      add(reason(sentence));
    }
    return std::move(questions_);
  }

 private:
  void add(const Text& question) {
    if (question && questions_.size() < most_ && asked_.insert(folded(*question)).second)
      questions_.push_back(*question);
  }

  // Words of [first, last) as they stand in a question.
  static std::string copied(const Sentence& s, std::size_t first, std::size_t last) {
    std::string text;
    for (std::size_t i = first; i < last; ++i) {
      const std::string_view word = s.lower(i) == "you"        ? "I"
                                    : s.lower(i) == "your"     ? "my"
                                    : s.lower(i) == "yourself" ? "myself"
                                                               : s.word(i);
      text.append(text.empty() ? "" : " ").append(word);
    }
    return text;
  }

  // Of a first word: in lower case if the passage has it so elsewhere, else as it is.
  std::string first_word(std::string_view word) {
    std::string lower = lower_case(word);
    if (word == lower) return lower;
    if (!small_words_) {
      small_words_.emplace();
      for (WordReader words(passage_.text); words.next();)
        if (words.word().size() <= kLongestWord && lower_case(words.word()) == words.word())
          small_words_->insert(words.word());
    }
    if (small_words_->contains(lower)) return lower;
    return std::string(word);
  }

  // [first, last) as something to ask about; nothing if it may not be one noun phrase that is known
  // without its context.
  Text subject(const Sentence& s, std::size_t first, std::size_t last) {
    if (first >= last || !s.is_joined(first, last)) return {};
    const bool has_article = is_article(s.lower(first));
    const std::size_t noun = first + has_article;
    if (noun >= last || last - noun > kLongestSubject) return {};
    bool is_name = false;
    for (std::size_t i = noun; i < last; ++i) {
      const std::string_view lower = s.lower(i);
      const bool is_link = lower == "of" && i > noun && i + 1 < last;
      if (!is_link && (is_english_stop_word(lower) || is_vague_noun(lower) || lower.size() < 2 ||
                       lower.ends_with("ly") || (last == noun + 1 && lower.ends_with("ed"))))
        return {};
      is_name |= i > 0 && has_name_mark(s.word(i));
    }
    if (last - noun > 1 && !is_name && s.lower(noun).ends_with("ing")) return {};  // a clause
    if (first == 0 && !is_capital(s.word(0)[0])) return {};
    if (s.lower(first) == "the" && !is_name) return {};
    std::string text = has_article  ? std::string(s.lower(first))
                       : first == 0 ? first_word(s.word(0))
                                    : std::string(s.word(first));
    const std::string rest = copied(s, first + 1, last);
    return rest.empty() ? text : text + " " + rest;
  }

  // A phrase of [first, last) that can be repeated in a question.
  static bool is_repeatable(const Sentence& s, std::size_t first, std::size_t last) {
    if (first >= last || last - first > kLongestPhrase || !s.is_joined(first, last)) return false;
    for (std::size_t i = first; i < last; ++i)
      if (points_elsewhere(s.lower(i))) return false;
    return true;
  }

  // Of common nouns: "details", not "physics", "process", "status" or names.
  static bool is_plural(std::string_view subject) {
    if (!subject.ends_with('s') || has_name_mark(subject)) return false;
    for (const std::string_view end : {"ss", "us", "is", "ics"})
      if (subject.ends_with(end)) return false;
    return true;
  }

  // "is a", "stands for" and the like at word `i`, and the question they answer.
  static Text question_of_verb(const Sentence& s, std::size_t i, const std::string& subject) {
    static constexpr std::string_view kWeak[] = {
        "bit",  "lot",  "good",    "bad",   "little", "same",   "only",  "first",  "last",  "next",
        "one",  "case", "default", "must",  "great",  "common", "best",  "most",   "right", "wrong",
        "list", "few",  "number",  "valid", "string", "new",    "major", "result", "reason"};
    const std::string_view verb = s.lower(i), next = s.lower(i + 1), after = s.lower(i + 2);
    if (is_one_of(verb, {"is", "was"}) && is_plural(subject)) return {};
    if (s.size() < i + 5 || !s.is_joined(i, i + 3)) return {};
    if (verb == "stands" && next == "for") return str_cat("What does ", subject, " stand for?");
    if (verb == "refers" && next == "to") return str_cat("What does ", subject, " refer to?");
    if (verb == "means" && next != "that") return str_cat("What does ", subject, " mean?");
    if (!is_one_of(verb, {"is", "was", "are", "were"}) || !is_article(next) ||
        is_one_of(after, kWeak) || after.ends_with("est"))  // "the largest"
      return {};
    bool is_person = false;
    for (std::size_t k = i + 2; k < std::min(i + 8, s.size()) && !s.follows_comma(k); ++k)
      is_person |= is_profession(s.lower(k));
    is_person &= is_capital(subject[0]);
    return str_cat(is_person ? "Who " : "What ", verb, " ", subject, "?");
  }

  static bool is_defining_verb(std::string_view word) {
    return is_one_of(word, {"is", "was", "are", "were", "stands", "refers", "means"});
  }

  Text definition(const Sentence& s) {
    std::size_t first = 0;
    std::string place;
    if (s.lower(0) == "in") {  // "In Python, ..."
      first = s.find_comma(1);
      if (first > 3 || first == s.size() || !s.is_joined(0, first)) return {};
      for (std::size_t i = 1; i < first; ++i)
        if (!has_name_mark(s.word(i))) return {};
      place = str_cat(" in ", copied(s, 1, first));
    }
    std::size_t verb = first;
    while (verb < s.size() && !is_defining_verb(s.lower(verb)) && !s.follows_comma(verb + 1))
      ++verb;
    std::size_t last = verb;
    if (verb < s.size() && s.follows_comma(verb + 1)) {  // "X, also called Y, is"
      last = verb + 1;
      std::size_t at = last;
      while (is_one_of(s.lower(at), {"also", "or", "sometimes", "often", "commonly"})) ++at;
      if (at == last || !is_one_of(s.lower(at), {"called", "known"})) return {};
      verb = s.find_comma(at);
      if (verb == s.size() || !is_defining_verb(s.lower(verb))) return {};
    }
    const Text asked = subject(s, first, last);
    if (!asked || verb + 1 >= s.size()) return {};
    Text question = question_of_verb(s, verb, *asked);
    if (question && !place.empty()) question->insert(question->size() - 1, place);
    return question;
  }

  // "... is called X."
  Text naming(const Sentence& s) {
    if (s.end() != ".") return {};
    for (std::size_t i = 1; i + 2 < s.size(); ++i) {
      const bool called =
          s.lower(i + 1) == "called" || (s.lower(i + 1) == "known" && s.lower(i + 2) == "as");
      if (!is_one_of(s.lower(i), {"is", "are"}) || !called || !s.is_joined(i, s.size())) continue;
      const std::size_t first = i + (s.lower(i + 1) == "known" ? 3 : 2);
      if (s.size() - first > 4) return {};
      const Text asked = subject(s, first, s.size());
      if (!asked || (s.lower(i) == "are" && !is_plural(*asked))) return {};
      return str_cat("What ", s.lower(i), " ", *asked, "?");
    }
    return {};
  }

  static Text how_do_i(const Sentence& s, std::size_t first, std::size_t last) {
    if (!is_instruction_verb(s.lower(first)) || last < first + 2 || !is_repeatable(s, first, last))
      return {};
    const std::string_view end = s.lower(last - 1);  // an adjective: "a writable, private copy"
    if (end.ends_with("able") || end.ends_with("ible")) return {};
    return str_cat("How do I ", copied(s, first, last), "?");
  }

  static Text instruction(const Sentence& s) {
    if (s.lower(0) == "to")
      return how_do_i(s, 1, s.find_comma(1) == s.size() ? 0 : s.find_comma(1));
    if (s.lower(0) == "if" && s.lower(1) == "you") {
      std::size_t verb = 0;
      if (is_one_of(s.lower(2), {"want", "need", "wish"}) && s.lower(3) == "to") verb = 4;
      if (s.lower(2) == "would" && s.lower(3) == "like" && s.lower(4) == "to") verb = 5;
      const std::size_t last = s.find_comma(1);
      return verb == 0 || last == s.size() ? Text() : how_do_i(s, verb, last);
    }
    if (s.lower(0) == "you" && s.lower(1) == "can") {
      for (std::size_t i = 3; i + 1 < s.size(); ++i)
        if ((s.lower(i) == "by" && s.lower(i + 1).ends_with("ing")) || s.lower(i) == "using")
          return how_do_i(s, 2, i);
    }
    return {};
  }

  // "X is Y because Z"
  Text reason(const Sentence& s) {
    std::size_t because = 0;
    while (because < s.size() && s.lower(because) != "because") ++because;
    if (because == s.size()) return {};
    std::size_t verb = 0;
    while (verb < because &&
           !is_one_of(s.lower(verb), {"is", "are", "was", "were", "can", "does", "do"}))
      ++verb;
    if (verb + 1 >= because || !s.is_joined(verb, because)) return {};
    static constexpr std::string_view kHedges[] = {
        "only", "just", "not", "primarily", "mainly", "simply", "partly", "probably", "mostly"};
    if (!is_repeatable(s, verb + 1, because) || is_one_of(s.lower(because - 1), kHedges)) return {};
    const Text asked = subject(s, 0, verb);
    if (!asked) return {};
    return str_cat("Why ", s.lower(verb), " ", *asked, " ", copied(s, verb + 1, because), "?");
  }

  // "Installing packages", "Defining and using classes"
  static Text instruction_heading(const std::string& heading) {
    static constexpr std::string_view kAmbiguous[] = {
        // "mapping types" are no instruction
        "types",        "type",     "objects",    "methods",  "functions", "operations",
        "techniques",   "options",  "howto",      "to",       "basics",    "cookbook",
        "guide",        "tutorial", "example",    "examples", "reference", "tools",
        "instructions", "rules",    "mechanism",  "system",   "behavior",  "directives",
        "sequences",    "protocol", "strategies", "model"};
    static constexpr std::string_view kPlain[] = {
        "use", "define", "create", "write", "call", "add", "install", "implement", "instantiate"};
    static constexpr std::string_view kNotObjects[] = {"in", "and", "or", "of",   "without",
                                                       "on", "at",  "by", "from", "to"};
    const Sentence s(heading);
    if (s.size() < 2 || !s.end().empty()) return {};
    const Text verb = base_of_gerund(std::string(s.lower(0)));
    if (!verb) return {};
    std::size_t object = 1;
    std::string verbs = *verb;
    if (is_one_of(s.lower(1), {"and", "or"})) {
      const Text second = base_of_gerund(std::string(s.lower(2)));
      if (!second || s.size() < 4) return {};
      verbs += str_cat(" ", s.lower(1), " ", *second);
      object = 3;
    }
    if (!is_repeatable(s, 0, s.size()) || is_one_of(s.lower(object), kNotObjects)) return {};
    if (is_one_of(s.lower(s.size() - 1), kAmbiguous) && !is_one_of(*verb, kPlain)) return {};
    return str_cat("How do I ", verbs, " ", copied(s, object, s.size()), "?");
  }

  const Passage& passage_;
  bool begins_section_;
  std::size_t most_;
  std::vector<std::string> questions_;
  std::unordered_set<std::string> asked_;
  std::optional<std::unordered_set<std::string_view>> small_words_;  // in lower case in the passage
};

}  // namespace

std::vector<Question> definition_questions(const Passages& passages,
                                           const OfflineSettings& settings) {
  std::vector<Question> questions;
  for (std::size_t row = 0; row < passages.rows.size(); ++row) {
    const Passage& passage = passages.rows[row];
    const bool begins_section = row == 0 || passages.rows[row - 1].document != passage.document ||
                                passages.rows[row - 1].headings != passage.headings;
    Asker asker(passage, begins_section, static_cast<std::size_t>(settings.per_passage));
    for (std::string& text : asker.ask())
      questions.push_back({std::move(text), static_cast<std::int64_t>(row), "definitions"});
  }
  return questions;
}

}  // namespace attune
