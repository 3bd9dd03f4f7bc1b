// A text's sentences, for many languages at once: the sentence rules of Unicode's UAX #29 (sections
// 5.1, SB3 to SB11), and where those end a sentence too early, what Kiss and Strunk 2006 ("Punkt")
// call the evidence of the word before a full stop and of the word behind it:
//   - titles and e.g., i.e., z. B. never end a sentence; No., Fig., p., Nr. not before a number;
//   - initials and acronyms (J. R. R. Tolkien, the U.S. Army), Jr., Inc., a.m. end one only before
//   a
//     word that often begins one (The, He, In, Der, El);
//   - a numeral that begins a sentence ("1. First") or is a German ordinal ("am 3. Oktober") does
//     not end one.
// Before a small letter no mark ends a sentence ("Why?" he asked; the panic! macro). Closing quotes
// and brackets belong to the sentence they close. Ends of Chinese, Japanese, Arabic, Urdu and Indic
// sentences need no space behind them. A line break of any kind always ends a sentence: readers put
// one between blocks.
#pragma once

#include <string_view>
#include <vector>

namespace attune {

// The sentences in order, without the white space around them; every other character is in exactly
// one. Takes linear time. Text that is not UTF-8 is an Error{kData}.
std::vector<std::string_view> split_sentences(std::string_view text);

}  // namespace attune
