// The `generate:` section of a configuration with method "headings": training pairs and a test from
// the headings that people gave to sections and questions. Offline: no model, no network.
//
// Passage: a section's text without its heading, at least `min_words` long, cut after `max_words`.
// Equal texts are one passage; its id is the first 16 hexadecimal digits of the text's SHA-256.
// Pair: query = the last two headings of the section's path, without section numbers, joined with
// ": "; positive = the section's passage. A query that stands over several passages is one query
// with several relevant passages; its id comes from its text as a passage's does.
//
// Split: whole pages, by the order of SHA-256(seed, page), so that one page is never in both.
//
// Test: on pages that match `question_pages`, every heading that ends in '?' is a query and the
// section below it its only relevant passage. The corpus to rank is every passage of every page.
//
// Nothing leaks into training: question pages give no pair; a pair is dropped when its passage or
// its query is also in validation or test; a question is dropped when its answer repeats it word
// for word.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config_reader.h"
#include "data/documents/documents.h"
#include "data/generation/headings.h"  // strip_section_number
#include "data/qa_dataset.h"

namespace attune {

struct GenerateConfig {
  std::string method = "headings";
  int min_words = 12;
  int max_words = 300;
  double validation_share = 0.1;
  std::vector<std::string> question_pages;

  template <class Fields>
  void visit(Fields& f) {
    f.field("method", method, "how queries are made: from the headings of sections",
            one_of({"headings"}));
    f.field("min_words", min_words, "a section with fewer words is no passage", at_least(1));
    f.field("max_words", max_words, "a passage is cut after so many words", at_least(1));
    f.field("validation_share", validation_share, "part of the pages kept for validation",
            between(0, 0.9));
    f.field("question_pages", question_pages,
            "patterns of pages whose question headings are the test (FAQs); see documents.exclude");
    if (max_words < min_words) f.mistake("max_words", "max_words is smaller than min_words");
  }
};

struct HeadingCounts {
  std::int64_t documents = 0, sections = 0;
  std::int64_t passages = 0;                                             // distinct texts
  std::int64_t training_pairs = 0, validation_pairs = 0, questions = 0;  // query-passage links
  std::int64_t skipped_short = 0;                                        // sections below min_words
  std::int64_t skipped_untitled = 0;   // passages without any heading: in the corpus only
  std::int64_t skipped_leaking = 0;    // pairs that would leak into training
  std::int64_t skipped_repeating = 0;  // questions that their answer repeats
  std::int64_t skipped_ambiguous = 0;  // questions that stand over several different answers
};

struct HeadingPairs {
  EmbeddingQAFinetuneDataset train, validation, test;
  HeadingCounts total;
  std::vector<HeadingCounts>
      by_root;  // as DocumentsConfig::paths; a text counts where it is first met
};

// Deterministic in documents, configuration and seed. Refused with ErrorKind::kData: no pair for
// training at all.
HeadingPairs make_heading_pairs(const std::vector<Document>& documents,
                                const GenerateConfig& config, std::uint64_t seed);

}  // namespace attune
