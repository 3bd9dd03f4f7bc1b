// Okapi BM25 with Lucene's idf, k1 0.9, b 0.4 (Anserini's defaults), no stemming, no stop words: the
// floor that any embedding must beat. Words are runs of letters and digits, lower-cased by Unicode
// (utf8proc); CJK characters are words of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace attune {

struct Hit {
  std::int64_t row = 0;
  float score = 0;
};

class Bm25Index {
 public:
  explicit Bm25Index(std::span<const std::string> passages, double k1 = 0.9, double b = 0.4);
  // The best k, score descending, ties by ascending row; passages that share no word are left out.
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
