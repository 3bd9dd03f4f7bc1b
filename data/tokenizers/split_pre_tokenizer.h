// The pre-tokenizers that cut where a pattern matches: Split (with "String" or "Regex"), and those
// with a fixed idea of where: Whitespace, WhitespaceSplit, Punctuation, Digits, CharDelimiterSplit.
#pragma once

#include <memory>

#include "data/tokenizers/pre_tokenizer.h"

namespace attune {

std::unique_ptr<PreTokenizer> make_split(const JsonPlace& section);
std::unique_ptr<PreTokenizer> make_whitespace(const JsonPlace& section);
std::unique_ptr<PreTokenizer> make_whitespace_split(const JsonPlace& section);
std::unique_ptr<PreTokenizer> make_punctuation(const JsonPlace& section);
std::unique_ptr<PreTokenizer> make_digits(const JsonPlace& section);
std::unique_ptr<PreTokenizer> make_char_delimiter_split(const JsonPlace& section);

}  // namespace attune
