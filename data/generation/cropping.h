// Independent cropping: two random spans of a passage are a query and its positive. They may
// overlap, so that shared words count as much as meaning. Source: Izacard et al. 2022,
// "Unsupervised Dense Information Retrieval with Contrastive Learning" (Contriever): better than
// the inverse cloze task in their ablation, with spans of 5 % to 50 % of a text.
#pragma once

#include <vector>

namespace attune {

struct OfflineSettings;
struct Passages;
struct Question;

// `per_passage` pairs of spans, each of 5 % to 50 % of the passage's words, uniformly, and of at
// least 4 words, the query of at most 64; Question::positive is the second one. A passage of fewer
// than 16 words gives none.
std::vector<Question> cropping_questions(const Passages& passages, const OfflineSettings& settings);

}  // namespace attune
