// Patterns and characters as they stand in tokenizer.json.
#pragma once

#include "data/tokenizers/json_place.h"
#include "data/tokenizers/split_pattern.h"

namespace attune {

// {"String": "..."} or {"Regex": "..."}.
SplitPattern read_pattern(const JsonPlace& section);

// A string of one character.
char32_t read_character(const JsonPlace& text);

}  // namespace attune
