#include "data/chunks/chunker.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "data/chunks/near_duplicates.h"
#include "data/chunks/sentences.h"
#include "data/chunks/words.h"
#include "data/text_id.h"
#include "data/tokenizers/characters.h"

namespace attune {
namespace {

constexpr std::int64_t kBytesPerToken = 32;  // at most

// What is never cut: a sentence, or a part of one that is too long.
struct Piece {
  std::string_view text;  // in its section's
  const Section* section;
  std::int64_t tokens, words;
};

class TokenCounter {
 public:
  explicit TokenCounter(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
    special_ = encode("");
  }
  std::int64_t count(std::string_view text) {
    const auto bytes = static_cast<std::int64_t>(text.size());
    return std::max(encode(text) - special_, (bytes + kBytesPerToken - 1) / kBytesPerToken);
  }

 private:
  std::int64_t encode(std::string_view text) {
    ids_.clear();
    tokenizer_.encode("", text, std::numeric_limits<int>::max(), ids_);
    return static_cast<std::int64_t>(ids_.size());
  }
  const Tokenizer& tokenizer_;
  std::vector<std::int32_t> ids_;
  std::int64_t special_ = 0;
};

// Cuts one document.
class Chunker {
 public:
  Chunker(const Document& document, std::int64_t number, const ChunkConfig& config,
          TokenCounter& tokens)
      : document_(document), number_(number), config_(config), tokens_(tokens) {}

  std::vector<Passage> cut(std::int64_t& skipped_short) {
    const Section* last = nullptr;
    for (const Section& section : document_.content.sections) {
      check(section);
      if (last != nullptr && ends_between(*last, section)) finish_group(skipped_short);
      for (const std::string_view sentence : split_sentences(section.text))
        add_sentence(sentence, section);
      last = &section;
    }
    finish_group(skipped_short);
    return std::move(passages_);
  }

 private:
  void check(const Section& section) const {
    const std::size_t bad = find_invalid_utf8(section.text);
    if (bad != std::string_view::npos)
      throw_error(ErrorKind::kData, document_.path, ": a section's text is not UTF-8: byte ", bad,
                  " of ", section.text.size(), " does not belong to a character; ",
                  "convert the document to UTF-8");
  }

  bool ends_between(const Section& left, const Section& right) const {
    if (config_.method == "tokens") return false;
    return config_.method == "sections" || right.page == 0 || left.page != right.page;
  }

  void add_sentence(std::string_view sentence, const Section& section) {
    const std::int64_t tokens = tokens_.count(sentence);
    if (tokens <= config_.size) return add_piece(sentence, tokens, section);
    const double bytes_per_token =
        static_cast<double>(sentence.size()) / static_cast<double>(tokens);
    while (!sentence.empty()) {
      auto most = static_cast<std::size_t>(bytes_per_token * config_.size);
      while (true) {
        const std::string_view piece = beginning(sentence, most);
        const std::int64_t count = tokens_.count(piece);
        // One character alone cannot be cut, whatever its tokens.
        if (count <= config_.size || most == 0) {
          add_piece(piece, count, section);
          sentence.remove_prefix(piece.size());
          sentence = trim_white_space(sentence);
          break;
        }
        most = std::min(piece.size() - 1, piece.size() * config_.size / count);
      }
    }
  }

  void add_piece(std::string_view text, std::int64_t tokens, const Section& section) {
    pieces_.push_back({text, &section, tokens, count_words(text)});
  }

  // The longest beginning of at most `most` bytes that ends with a word; where that is none, with a
  // character, of which it has one at least.
  static std::string_view beginning(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text;
    std::size_t next = previous_character(text, most + 1), end = 0;
    const std::size_t last = next;
    next_character(text, next);
    Words words(text.substr(0, next));  // one character more, which shows whether a word ends
    for (std::string_view word; words.next(word);) {
      const auto behind = static_cast<std::size_t>(word.data() + word.size() - text.data());
      if (behind <= last) end = behind;
    }
    if (end > 0) return text.substr(0, end);
    return text.substr(0, last > 0 ? last : next);
  }

  // Makes passages of the pieces so far.
  void finish_group(std::int64_t& skipped_short) {
    std::vector<std::pair<std::size_t, std::size_t>> ranges;
    for (std::size_t begin = 0; begin < pieces_.size();) {
      std::size_t end = begin;
      for (std::int64_t tokens = 0;
           end < pieces_.size() && (end == begin || tokens + pieces_[end].tokens <= config_.size);
           ++end)
        tokens += pieces_[end].tokens;
      ranges.emplace_back(begin, end);
      begin = end < pieces_.size() ? begin_overlap(begin, end) : end;
    }
    if (ranges.size() > 1) lengthen_last(ranges[ranges.size() - 2], ranges.back());
    for (const auto& [begin, end] : ranges) {
      if (sum(begin, end, &Piece::words) < config_.min_words)
        ++skipped_short;
      else
        add_passage(begin, end);
    }
    pieces_.clear();
  }

  std::int64_t sum(std::size_t begin, std::size_t end, std::int64_t Piece::* what) const {
    std::int64_t total = 0;
    for (std::size_t i = begin; i < end; ++i) total += pieces_[i].*what;
    return total;
  }

  // Where the passage behind [begin, end) begins, so that it has the piece at `end`.
  std::size_t begin_overlap(std::size_t begin, std::size_t end) const {
    std::size_t first = end;
    for (std::int64_t tokens = 0; first > begin + 1; --first) {
      tokens += pieces_[first - 1].tokens;
      if (tokens > config_.overlap || tokens + pieces_[end].tokens > config_.size) break;
    }
    return first;
  }

  // Where the last passage is too short it takes pieces from the one before, or repeats more of
  // them if they overlap.
  void lengthen_last(std::pair<std::size_t, std::size_t>& before,
                     std::pair<std::size_t, std::size_t>& last) const {
    const bool overlaps = last.first < before.second;
    while (sum(last.first, last.second, &Piece::words) < config_.min_words &&
           last.first > before.first + 1 &&
           sum(last.first - 1, last.second, &Piece::tokens) <= config_.size &&
           (overlaps || sum(before.first, last.first - 1, &Piece::words) >= config_.min_words)) {
      --last.first;
      if (!overlaps) before.second = last.first;
    }
  }

  void add_passage(std::size_t begin, std::size_t end) {
    Passage passage;
    for (std::size_t i = begin, next = begin; i < end; i = next) {
      while (next < end && pieces_[next].section == pieces_[i].section) ++next;
      const char* const last = pieces_[next - 1].text.data() + pieces_[next - 1].text.size();
      if (!passage.text.empty()) passage.text += '\n';
      passage.text.append(pieces_[i].text.data(), last);
    }
    passage.id = text_id(passage.text);
    passage.document = number_;
    passage.title = document_.content.title;
    passage.section = pieces_[begin].section - document_.content.sections.data();
    passage.headings = pieces_[begin].section->path;
    passage.page = pieces_[begin].section->page;
    passages_.push_back(std::move(passage));
  }

  const Document& document_;
  std::int64_t number_;
  const ChunkConfig& config_;
  TokenCounter& tokens_;
  std::vector<Piece> pieces_;  // of the section, the page or the document that is read
  std::vector<Passage> passages_;
};

void drop_near_copies(Passages& passages, double threshold, int threads) {
  std::vector<std::string_view> texts;
  texts.reserve(passages.rows.size());
  for (const Passage& passage : passages.rows) texts.emplace_back(passage.text);
  const std::vector<std::int64_t> first = first_near_duplicate(texts, threshold, threads);
  std::size_t kept = 0;
  for (std::size_t row = 0; row < first.size(); ++row) {
    if (first[row] >= 0) {
      ++passages.skipped_near_equal;
    } else {
      if (kept != row) passages.rows[kept] = std::move(passages.rows[row]);
      ++kept;
    }
  }
  passages.rows.resize(kept);
}

}  // namespace

Passages make_passages(std::span<const Document> documents, const ChunkConfig& config,
                       const Tokenizer& tokenizer, int threads) {
  const auto count = static_cast<std::int64_t>(documents.size());
  std::vector<std::vector<Passage>> cut(documents.size());
  std::vector<std::int64_t> skipped_short(documents.size());
  parallel_for(count, threads, 1, [&](std::int64_t begin, std::int64_t end) {
    TokenCounter tokens(tokenizer);
    for (std::int64_t i = begin; i < end; ++i)
      cut[i] = Chunker(documents[i], i, config, tokens).cut(skipped_short[i]);
  });

  Passages result;
  result.documents = count;
  std::unordered_set<std::string> ids;
  for (std::int64_t i = 0; i < count; ++i) {
    result.sections += static_cast<std::int64_t>(documents[i].content.sections.size());
    result.skipped_short += skipped_short[i];
    for (Passage& passage : cut[i]) {
      if (ids.insert(passage.id).second)
        result.rows.push_back(std::move(passage));
      else
        ++result.skipped_equal;
    }
  }
  if (config.near_duplicates > 0) drop_near_copies(result, config.near_duplicates, threads);
  return result;
}

}  // namespace attune
