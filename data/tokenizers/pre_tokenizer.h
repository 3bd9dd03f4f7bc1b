// The second step of a tokenizer.json: cuts normalised text into the pieces that the model sees one
// by one, and may change their characters. Equal to `tokenizers` 0.23's pre-tokenizer of the same
// name. A new one is a file pair and a row of the list in pre_tokenizer.cpp.
#pragma once

#include <memory>
#include <string_view>

namespace attune {

class JsonPlace;  // json_place.h

// Who takes the pieces: the next pre-tokenizer, or the model.
class PieceSink {
 public:
  virtual ~PieceSink() = default;
  // `text` is valid during the call only, and not empty. `at_start`: it begins where the user's
  // text begins, nothing before it (Metaspace asks). Returns false when no more is wanted, because
  // there are as many ids as fit.
  virtual bool take(std::string_view text, bool at_start) = 0;
};

class PreTokenizer {  // immutable and thread-safe
 public:
  virtual ~PreTokenizer() = default;
  // Gives the pieces of `text`, in order, to `out` until it returns false; returns what `out`
  // returned last (true where there was no piece). Empty pieces are left out.
  virtual bool split(std::string_view text, bool at_start, PieceSink& out) const = 0;
};

// The section "pre_tokenizer" of tokenizer.json, or an element of a Sequence. Null gives one that
// passes the text on whole. An unknown type is an Error{kData} that names it and the known ones.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const JsonPlace& section);

}  // namespace attune
