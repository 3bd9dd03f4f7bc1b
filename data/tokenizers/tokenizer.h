// Text to token ids, equal to Hugging Face `tokenizers` on the model's tokenizer.json.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/hash.h"

namespace attune {

// Ragged ids of many texts: text i is ids[offsets[i] .. offsets[i+1]).
struct TokenizedTexts {
  std::vector<std::int32_t> ids;
  std::vector<std::int64_t> offsets = {0};  // [num_texts + 1]
  std::int64_t num_texts() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::span<const std::int32_t> operator[](std::int64_t text) const {
    return {ids.data() + offsets[text],
            static_cast<std::size_t>(offsets[text + 1] - offsets[text])};
  }
};

class Tokenizer {  // immutable and thread-safe
 public:
  virtual ~Tokenizer() = default;
  // Appends the ids of prompt + text (concatenated before normalising, as the peers do), special
  // tokens included, cut to max_length ids in all. Text that is not UTF-8 is an Error{kData}.
  virtual void encode(std::string_view prompt, std::string_view text, int max_length,
                      std::vector<std::int32_t>& out) const = 0;
  virtual std::int32_t vocabulary_size() const = 0;
  virtual Fingerprint fingerprint() const = 0;  // of the parsed rules, not of the file
  // Special tokens are included; threads 0: all cores.
  TokenizedTexts encode_batch(std::string_view prompt, std::span<const std::string_view> texts,
                              int max_length, int threads = 0) const;
  // Number of leading tokens that belong to the prompt (for include_prompt=false): ids of the
  // prompt alone, special tokens in, less the closing special token.
  int prompt_tokens(std::string_view prompt, int max_length) const;

 protected:
  // Ids that max_length leaves to a text beside `special` special tokens. None: Error{kConfig}.
  static std::size_t room_for_text(int max_length, std::size_t special);
  // prompt + text, in `joined` where there is a prompt. Not UTF-8: Error{kData}.
  static std::string_view join_checked(std::string_view prompt, std::string_view text,
                                       std::string& joined);
};

// Reads DIR/tokenizer.json; where there is none, a .model of sentencepiece (sentencepiece_files.h)
// or DIR/vocab.txt, with DIR/tokenizer_config.json. Kinds that attune does not know are an
// Error{kData} that names them. docs/tokenizers.md lists what is known.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& model_directory);

}  // namespace attune
