// Okapi BM25, the floor that any embedding must beat. No stemming, no stop words. Weight of a word
// in a passage, as Lucene writes it (Robertson & Zaragoza 2009 without the constant factor k1 + 1):
//   log(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * length / average length))
// with Anserini's k1 0.9 and b 0.4. A word that stands twice in the query counts twice. Lengths are
// exact (Lucene rounds them to one byte).
//
// Words are runs of letters and digits with the marks on them, lower-cased one code point at a time
// by Unicode (utf8proc). Han and kana characters are words of their own; Korean writes spaces and
// needs no such rule. Nothing is normalised; bytes that are not UTF-8 separate words.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "retrieval/hit.h"

namespace attune {

// The words of a text, as above, in order.
std::vector<std::string> bm25_words(std::string_view text);

class Bm25Index {
 public:
  explicit Bm25Index(std::span<const std::string> passages, double k1 = 0.9, double b = 0.4);
  // The best k, score descending, ties by ascending row; passages that share no word are left out.
  // Thread-safe.
  std::vector<Hit> search(std::string_view query, int k) const;

 private:
  struct Posting {
    std::int32_t row;
    float weight;  // the finished term weight of this passage
  };
  std::unordered_map<std::string, std::vector<Posting>> postings_;
  std::int64_t num_passages_ = 0;
};

}  // namespace attune
