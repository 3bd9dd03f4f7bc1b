// Unicode normalisation forms (Unicode Standard Annex 15) by the peer's own tables, which are of
// Unicode 12. Only stretches that may change are worked on; the rest is copied.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "data/tokenizers/normalizer.h"

namespace attune {

enum class UnicodeForm : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd };

std::string normalize_unicode(UnicodeForm form, std::string_view text);

std::unique_ptr<Normalizer> make_nfc(const JsonPlace& section);
std::unique_ptr<Normalizer> make_nfd(const JsonPlace& section);
std::unique_ptr<Normalizer> make_nfkc(const JsonPlace& section);
std::unique_ptr<Normalizer> make_nfkd(const JsonPlace& section);

}  // namespace attune
