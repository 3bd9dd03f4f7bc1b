// The `chunks:` section of a configuration: documents cut into passages.
//
// A passage is whole sentences (sentences.h), as many as fit `size` tokens, of one section
// ("sections"), of the document with its sections joined by line feeds ("tokens"), or of one page
// ("pages"; sections where the format has no pages). What stands between its sentences is kept as
// it stood: within a section a passage is a part of the section's text. Only a sentence that alone
// is too long is cut, at the ends of words (words.h); a word that is too long, between characters.
//
// Tokens are those of the model's tokenizer without special tokens, counted once for each sentence:
// of WordPiece a passage has exactly the sum of its sentences', of others about as many. 32 bytes
// count as one token at least, for a word of any length may be one unknown token.
//
// The last passage of a section that would be shorter than `min_words` takes sentences from the one
// before. What is still shorter is no passage, nor is one whose text an earlier passage has, or
// nearly has (near_duplicates.h).
#pragma once

#include <span>
#include <string>

#include "core/config_reader.h"
#include "data/chunks/passages.h"
#include "data/documents/document.h"
#include "data/tokenizers/tokenizer.h"

namespace attune {

struct ChunkConfig {
  std::string method = "sections";
  int size = 254;
  int overlap = 0;
  int min_words = 12;
  double near_duplicates = 0.9;

  template <class Fields>
  void visit(Fields& f) {
    f.field("method", method, "passages end with their section, their page, or only when full",
            one_of({"sections", "tokens", "pages"}));
    f.field("size", size,
            "most tokens of a passage; special tokens and prompts come on top (254: 256 with "
            "BERT's two)",
            between(16, 1 << 20));
    f.field("overlap", overlap,
            "most tokens, in whole sentences, with which a passage repeats the end of the one "
            "before; up to half of size",
            at_least(0));
    f.field("min_words", min_words,
            "a shorter passage is left out; two Chinese or Japanese characters count as a word",
            at_least(1));
    f.field("near_duplicates", near_duplicates,
            "a passage that shares this much with an earlier one (Jaccard similarity of runs of "
            "five words) is left out; 0: kept",
            between(0, 1));
    if (overlap > size / 2) f.mistake("overlap", "overlap is more than half of size");
  }
};

// Deterministic whatever the threads (0: all cores). Error{kData} with the document's path: a text
// that is not UTF-8.
Passages make_passages(std::span<const Document> documents, const ChunkConfig& config,
                       const Tokenizer& tokenizer, int threads = 0);

}  // namespace attune
