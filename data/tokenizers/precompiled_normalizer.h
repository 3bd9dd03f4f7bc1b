// The normalizer "Precompiled" of tokenizer.json: a charsmap of sentencepiece (charsmap.h) in
// base64.
#pragma once

#include <string>

#include "data/tokenizers/charsmap.h"
#include "data/tokenizers/normalizer.h"

namespace attune {

class PrecompiledNormalizer final : public Normalizer {
 public:
  // The section, with "precompiled_charsmap".
  explicit PrecompiledNormalizer(const JsonPlace& section);
  void normalize(std::string& text) const override;

 private:
  Charsmap charsmap_;
};

}  // namespace attune
