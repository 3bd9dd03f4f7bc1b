// English questions that rules make of declarative sentences and headings. Source: Heilman and
// Smith 2010, "Good Question! Statistical Ranking for Question Generation": statements are
// simplified and transformed by rules into questions. There is no parser here, so only the patterns
// below are taken, and only where words, case and punctuation leave little doubt: many sentences
// that a reader could ask about give nothing.
//
//   "A closure is a function that ..."          -> What is a closure?
//   "In Python, a decorator is a function ..."  -> What is a decorator in Python?
//   "Ada Lovelace was an English writer ..."    -> Who was Ada Lovelace?
//   "Duck typing, also called X, is a ..."      -> What is duck typing?
//   "GIL stands for ..."                        -> What does GIL stand for?
//   "Pickling refers to", "Pickling means"      -> What does pickling refer to?, ... mean?
//   "... is called borrowing."                  -> What is borrowing?
//   "To install a package, run ..."             -> How do I install a package?
//   "If you want to install a package, ..."     -> How do I install a package?
//   "You can install a package by/using ..."    -> How do I install a package?
//   "Strings are immutable because ..."         -> Why are strings immutable?
//   heading "Installing packages"               -> How do I install packages?
//
// Nothing is asked about words that point elsewhere ("this", "them", "the result").
#pragma once

#include <vector>

namespace attune {

struct OfflineSettings;
struct Passages;
struct Question;

// The first `per_passage` different questions of each passage, in the order of its text. That of
// its last heading comes first, and only where the passage before has other headings: what a
// section explains mostly stands at its beginning. A passage that is not English (is_english) gives
// none.
std::vector<Question> definition_questions(const Passages& passages,
                                           const OfflineSettings& settings);

}  // namespace attune
