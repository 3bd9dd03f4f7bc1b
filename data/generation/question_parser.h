// The questions in a model's answer: JSON where the model kept to a schema, else lists in plain
// text. Removed: reasoning (<think>...</think>), code fences, numbers and bullets ("1.", "1)",
// "1.)", "(1)", "Q1:", "Question 1:", "-", "*", "**1.**"), emphasis, quotes around a question,
// sentences before and after the list, answers ("A: ...") and questions that stand twice. These are
// LlamaIndex's defects 16 to 18 (run-llama/llama_index#10694, #13596, #16745): there whatever is on
// a line becomes a question.
//
// Of plain text, the lines that count are those with a number; where there are none, those with a
// bullet; else those that end in a question mark; else all that do not end in a colon.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attune {

// `answer` is UTF-8; hostile otherwise: anything gives some list, maybe an empty one. `cut_off`:
// the answer ends in mid-word (at a token limit), so that its last question may not be whole.
// White space inside a question is one blank.
std::vector<std::string> parse_questions(std::string_view answer, bool cut_off);

}  // namespace attune
