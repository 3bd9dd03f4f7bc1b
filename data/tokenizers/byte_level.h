// GPT-2's bytes as characters: every byte is written as one printable character, so that any text
// is words over an alphabet of 256. As pre-tokenizer (add_prefix_space, use_regex: cut by GPT-2's
// pattern first) and as normalizer.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "data/tokenizers/normalizer.h"
#include "data/tokenizers/pre_tokenizer.h"

namespace attune {

// Appends the characters of the bytes: those printable in Latin-1 stand for themselves, the others
// for U+0100 and on, in order.
void append_byte_characters(std::string_view bytes, std::string& out);

std::unique_ptr<PreTokenizer> make_byte_level(const JsonPlace& section);
std::unique_ptr<Normalizer> make_byte_level_normalizer(const JsonPlace& section);

}  // namespace attune
