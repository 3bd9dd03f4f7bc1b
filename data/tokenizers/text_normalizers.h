// The small normalizers: Lowercase (character by character), StripAccents (drops every mark),
// Strip (white space at the ends), Replace (a text or a pattern), Prepend.
#pragma once

#include <memory>

#include "data/tokenizers/normalizer.h"

namespace attune {

std::unique_ptr<Normalizer> make_lowercase(const JsonPlace& section);
std::unique_ptr<Normalizer> make_strip_accents(const JsonPlace& section);
std::unique_ptr<Normalizer> make_strip(const JsonPlace& section);
std::unique_ptr<Normalizer> make_replace(const JsonPlace& section);
std::unique_ptr<Normalizer> make_prepend(const JsonPlace& section);

}  // namespace attune
