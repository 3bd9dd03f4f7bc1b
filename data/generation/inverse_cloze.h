// The inverse cloze task: a sentence asks for the text around it. Source: Lee, Chang and Toutanova
// 2019, "Latent Retrieval for Weakly Supervised Open Domain Question Answering" (ORQA), section 5:
// the sentence is taken out of its passage in 90 % of the examples and stays in 10 %, so that both
// meaning and shared words are learned.
#pragma once

#include <vector>

namespace attune {

struct OfflineSettings;
struct Passages;
struct Question;

// Up to `per_passage` different whole sentences (is_whole_sentence) of each passage, drawn with
// equal chance. Question::positive is the passage without the sentence, and empty (the whole
// passage) where it stays. A passage with fewer than two whole sentences gives none.
std::vector<Question> inverse_cloze_questions(const Passages& passages,
                                              const OfflineSettings& settings);

}  // namespace attune
