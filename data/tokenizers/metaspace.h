// sentencepiece's spaces: each becomes a visible character (replacement, U+2581), one is put before
// the text (prepend_scheme: always, never, or first, which is before the user's text but not behind
// an added token), and the text is cut before every one (split).
#pragma once

#include <memory>

#include "data/tokenizers/pre_tokenizer.h"

namespace attune {

std::unique_ptr<PreTokenizer> make_metaspace(const JsonPlace& section);

}  // namespace attune
