// The first step of a tokenizer.json: what becomes of the text before it is cut into words. Equal
// to `tokenizers` 0.23's normalizer of the same name. A new one is a file pair and a row of the
// list in normalizer.cpp.
#pragma once

#include <memory>
#include <string>

namespace attune {

class JsonPlace;  // json_place.h

class Normalizer {  // immutable and thread-safe
 public:
  virtual ~Normalizer() = default;
  // Changes the text, which must be UTF-8, in place. It is one stretch of the user's text between
  // two added tokens and never empty at the first step; a step may empty it.
  virtual void normalize(std::string& text) const = 0;
};

// The section "normalizer" of tokenizer.json, or an element of a Sequence. Null gives one that
// changes nothing. An unknown type is an Error{kData} that names it and the known ones.
std::unique_ptr<Normalizer> make_normalizer(const JsonPlace& section);

}  // namespace attune
