// The tokenizer of a model directory that has a .model of sentencepiece and no tokenizer.json:
// special tokens are found in the text as it stands, what is between them is cut by the
// sentencepiece library. Equal to the sentencepiece package with the special tokens of
// transformers' tokenizer classes. (Where both files are there, tokenizer.json decides; the two
// differ in rare texts: charsmap.h.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/added_tokens.h"
#include "data/tokenizers/sentencepiece_model.h"
#include "data/tokenizers/tokenizer.h"

namespace attune {

struct SentencePieceRules {
  std::vector<std::int32_t> ids;         // of each piece of the model: XLM-R moves them
  std::vector<AddedToken> added_tokens;  // none of them `normalized`
  std::vector<std::int32_t> prefix_ids;  // before every text: <s>
  std::vector<std::int32_t> suffix_ids;  // behind it: </s>
};

class SentencePieceTokenizer final : public Tokenizer {
 public:
  // `file`: the bytes that the model was read from, for the fingerprint. Rules that could give an
  // id twice or outside [0, vocabulary_size()) are an Error{kData} naming `place`.
  SentencePieceTokenizer(SentencePieceModel model, std::string_view file, SentencePieceRules rules,
                         const std::string& place);

  void encode(std::string_view prompt, std::string_view text, int max_length,
              std::vector<std::int32_t>& out) const override;
  std::int32_t vocabulary_size() const override { return vocabulary_size_; }
  Fingerprint fingerprint() const override { return fingerprint_; }

 private:
  SentencePieceModel model_;
  std::vector<std::int32_t> ids_, prefix_ids_, suffix_ids_;
  AddedTokenMatcher added_tokens_;
  std::int32_t vocabulary_size_ = 0;
  Fingerprint fingerprint_;
};

}  // namespace attune
