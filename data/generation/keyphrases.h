// Keywords as users type them: phrases that are frequent in a passage and rare in the others, in
// the order of the passage. Sources: candidates are the longest runs of up to three content words
// that no stop word and no punctuation interrupts (RAKE: Rose et al. 2010, "Automatic keyword
// extraction from individual documents"), ranked by the sum of their words' tf-idf (Hasan and Ng
// 2010, "Conundrums in Unsupervised Keyphrase Extraction": robust where graph methods are not,
// over four collections). The passages are the collection; title and headings count as the first
// words of their passages, code and what stands between sentences do not count.
//
// Languages: a word that more than one passage in ten has is no content word (from 50 passages on),
// which serves any language; below that, and besides, a list of English stop words. Characters of
// scripts without spaces between words are no content words: a passage in Chinese gives at most the
// Latin words in it.
#pragma once

#include <vector>

namespace attune {

struct OfflineSettings;
struct Passages;
struct Question;

// Question k of a passage joins the next best two phrases that share no word with earlier ones; a
// phrase that is left alone is a question if it has at least two words.
std::vector<Question> keyphrase_questions(const Passages& passages,
                                          const OfflineSettings& settings);

}  // namespace attune
