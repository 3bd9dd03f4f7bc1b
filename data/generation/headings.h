// Headings as queries: they name what a section is about in its author's words. Source: pairs of
// titles and passages are much of the weak supervision of E5 (Wang et al. 2022, "Text Embeddings by
// Weakly-Supervised Contrastive Pre-training").
#pragma once

#include <string>
#include <vector>

namespace attune {

struct OfflineSettings;
struct Passages;
struct Question;

// "3.2.1. Lists" -> "Lists", "Chapter 4. Pods" -> "Pods", "Q: Why?" -> "Why?". What is not surely a
// number is kept: "3D", "2to3", "7 wonders".
std::string strip_section_number(const std::string& heading);

// One question a passage: its last two headings without section numbers, joined with ": "; the last
// alone if it is a question or the only one; the document's title if there is no heading; none
// without either. Passages of one section have the same question.
std::vector<Question> heading_questions(const Passages& passages, const OfflineSettings& settings);

}  // namespace attune
