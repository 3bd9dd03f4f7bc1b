// Reads the tokenizer of a model directory that has a .model of sentencepiece: ids and special
// tokens as transformers' XLMRobertaTokenizer, GemmaTokenizer, LlamaTokenizer (legacy) and
// T5Tokenizer have them. Whatever the files ask for that attune does not do is an Error{kData} that
// names file, place and what was found.
#pragma once

#include <memory>
#include <string>

#include "core/json.h"
#include "data/tokenizers/sentencepiece_tokenizer.h"

namespace attune {

// The directory's sentencepiece.bpe.model, spiece.model or tokenizer.model; "" where there is none.
// Several of them are an error.
std::string sentencepiece_file(const std::string& model_directory);

// The files beside the .model; null where there is none.
struct SentencePieceOptions {
  Json tokenizer_config;    // tokenizer_config.json
  Json special_tokens_map;  // special_tokens_map.json, of transformers before 4.34
  Json added_tokens;        // added_tokens.json, likewise
  Json config;              // config.json: its model_type, where no tokenizer class is named
};

// Special tokens have ids of pieces, or of XLM-R's and T5's own tokens, or the number that
// added_tokens_decoder or added_tokens.json gives them.
//   XLM-R      <s> 0, <pad> 1, </s> 2, <unk> 3, piece p >= 3 is p + 1, <mask> behind all;
//              <s> text </s>
//   Gemma, Llama   ids of pieces; <bos> or <eos> around the text where add_bos_token or
//              add_eos_token says so (add_bos_token must be there: transformers 4 and 5 differ)
//   T5         ids of pieces, then <extra_id_99> to <extra_id_0> (extra_ids); text </s>
SentencePieceRules read_sentencepiece_rules(const SentencePieceModel& model,
                                            const SentencePieceOptions& options,
                                            const std::string& place,
                                            const std::string& model_directory);

std::unique_ptr<Tokenizer> load_sentencepiece(const std::string& place,
                                              const std::string& model_directory);

}  // namespace attune
