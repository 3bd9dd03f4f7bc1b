// Questions that are not worth training on, dropped by rules that need no model. They hold for
// every generator, an LLM's questions above all. Each question is counted under the first rule that
// drops it, in this order:
//
//   without_letter    no letter at all
//   too_short         fewer than min_words words
//   too_long          more than max_words words
//   answer_marker     it carries an answer or a list of choices: "Answer:", "Q: ...", "(A) ... (B)"
//   names_the_text    it speaks of its passage as no user would: "according to the passage", "the
//                     text above", "this document" (English)
//   copied            one run of at least 5 words is in the passage word for word and is more than
//                     max_copied of the question. Not for generators that copy by design
//                     (OfflineGenerator::copies).
//   duplicated        an earlier question of the same passage has the same words in lower case
//
// Words are those of question_words.h, so a Chinese character is one. What a question shares with
// the questions of other passages is judged where data sets are put together.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/config_reader.h"
#include "data/chunks/passages.h"
#include "data/generation/question.h"

namespace attune {

struct FilterConfig {
  int min_words = 2;
  int max_words = 64;
  double max_copied = 0.8;

  template <class Fields>
  void visit(Fields& f) {
    f.field("min_words", min_words, "a question with fewer words is dropped", at_least(0));
    f.field("max_words", max_words, "a question with more words is dropped", at_least(1));
    f.field("max_copied", max_copied,
            "a question is dropped of which a larger share is one piece of its passage, word for "
            "word; 1 drops none",
            between(0, 1));
    if (max_words < min_words) f.mistake("max_words", "max_words is smaller than min_words");
  }
};

struct FilterCounts {
  std::int64_t questions = 0, kept = 0;
  // In the order of the rules, all of them.
  std::array<std::pair<const char*, std::int64_t>, 7> dropped{{{"without_letter", 0},
                                                               {"too_short", 0},
                                                               {"too_long", 0},
                                                               {"answer_marker", 0},
                                                               {"names_the_text", 0},
                                                               {"copied", 0},
                                                               {"duplicated", 0}}};
};

// Drops what the rules drop and keeps the order of the others. Time linear in the questions and in
// their passages' text; fastest when questions of one passage stand together.
FilterCounts filter_questions(std::vector<Question>& questions, const Passages& passages,
                              const FilterConfig& config);

}  // namespace attune
