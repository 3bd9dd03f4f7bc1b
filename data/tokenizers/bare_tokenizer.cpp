#include "data/tokenizers/bare_tokenizer.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace attune {

BareTokenizer::BareTokenizer(std::unique_ptr<Tokenizer> whole, std::optional<std::int32_t> nothing)
    : whole_(std::move(whole)), nothing_(nothing) {
  std::vector<std::int32_t> specials, letter;
  constexpr int kNoLimit = std::numeric_limits<int>::max() / 2;
  whole_->encode("", "", kNoLimit, specials);
  whole_->encode("", "a", kNoLimit, letter);  // parts those before from those behind
  const auto parted = std::mismatch(specials.begin(), specials.end(), letter.begin(), letter.end());
  before_ = static_cast<int>(parted.first - specials.begin());
  behind_ = static_cast<int>(specials.size()) - before_;
}

void BareTokenizer::encode(std::string_view prompt, std::string_view text, int max_length,
                           std::vector<std::int32_t>& out) const {
  const std::size_t first = out.size();
  const int specials = before_ + behind_;
  whole_->encode(prompt, text, std::min(max_length, std::numeric_limits<int>::max() / 2) + specials,
                 out);
  ATTUNE_ASSERT(static_cast<int>(out.size() - first) >= specials);
  out.erase(out.begin() + static_cast<std::ptrdiff_t>(first),
            out.begin() + static_cast<std::ptrdiff_t>(first) + before_);
  out.resize(out.size() - static_cast<std::size_t>(behind_));
  if (out.size() == first && nothing_) out.push_back(*nothing_);
}

Fingerprint BareTokenizer::fingerprint() const {
  return Sha256().update(str_cat("bare ", nothing_.value_or(-1), " ", whole_->fingerprint())).hex();
}

}  // namespace attune
