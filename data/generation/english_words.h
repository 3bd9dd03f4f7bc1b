// English words by what they do in a sentence, for the generators' rules. All in lower case.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace attune {

// Whether English words hold a text together: at least 15 % of its words are among 25 frequent
// function words that other languages seldom share (Grefenstette 1995, "Comparing two language
// identification schemes": small words).
bool is_english(std::string_view text);

// Articles, pronouns, prepositions, conjunctions, auxiliaries and common adverbs.
bool is_english_stop_word(std::string_view word);

// Words that point out of a sentence: "this", "them", "above", "following".
bool points_elsewhere(std::string_view word);

// Nouns that say nothing without their context: "result", "example", "reason".
bool is_vague_noun(std::string_view word);

// What someone is: "singer", "physicist".
bool is_profession(std::string_view word);

// Verbs of instructions in their base form: "install", "use".
bool is_instruction_verb(std::string_view word);

// "installing" -> "install", "running" -> "run", of the verbs of instructions.
std::optional<std::string> base_of_gerund(const std::string& gerund);

}  // namespace attune
