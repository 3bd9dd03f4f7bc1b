// Reads the rules of a BERT WordPiece tokenizer from the files of a model directory. Whatever the
// files ask for that attune does not do is an Error{kData} that names file, place and what was
// found.
#pragma once

#include <string>
#include <string_view>

#include "core/json.h"
#include "data/tokenizers/wordpiece.h"

namespace attune {

// A parsed tokenizer.json of `tokenizers` 0.x; `place` is its path. Its truncation, padding and
// decoder sections have no effect: lengths are the caller's, and nothing is decoded.
BertWordPieceRules read_tokenizer_json(const Json& file, const std::string& place);

// The contents of vocab.txt (one token a line, the line's number is its id; of equal lines the last
// one counts) and the parsed tokenizer_config.json, special_tokens_map.json (null where there is
// none): what transformers 5's BertTokenizer makes of them. Tokens that would have to be appended
// to the vocabulary are refused.
BertWordPieceRules read_vocabulary_txt(std::string_view vocabulary, const std::string& place,
                                       const Json& config, const std::string& config_place,
                                       const Json& special_tokens_map = nullptr);

}  // namespace attune
