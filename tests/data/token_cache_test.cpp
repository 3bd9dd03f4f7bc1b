#include "data/token_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

#include "core/durable.h"
#include "core/error.h"
#include "data/lines.h"
#include "tests/core/scratch.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

const std::string kModel = source_path("tests/fixtures/tiny_bert");

std::vector<std::string> make_texts(int count) {
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i)
    texts.push_back(i % 7 == 3 ? "" : "where is item " + std::to_string(i) + " kept? é");
  return texts;
}

// Pieces of another size each time.
TextSource source_of(const std::vector<std::string>& texts, std::size_t piece_size = 100) {
  return [&texts, piece_size](const auto& give) {
    std::vector<std::string_view> piece;
    for (const std::string& text : texts) {
      piece.push_back(text);
      if (piece.size() == piece_size) {
        give(piece);
        piece.clear();
      }
    }
    give(piece);
  };
}

class TokenCacheTest : public testing::Test {
 protected:
  TokenCache open(const std::vector<std::string>& texts, std::string_view prompt = "",
                  int max_length = 64) const {
    return {scratch_.path(), *tokenizer_, prompt, max_length, source_of(texts)};
  }
  void expect_right(const TokenCache& cache, const std::vector<std::string>& texts,
                    std::string_view prompt = "", int max_length = 64) const {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const TokenizedTexts expected = tokenizer_->encode_batch(prompt, views, max_length);
    ASSERT_EQ(cache.num_texts(), expected.num_texts());
    ASSERT_EQ(cache.num_ids(), std::ssize(expected.ids));
    for (std::int64_t i = 0; i < cache.num_texts(); ++i)
      ASSERT_TRUE(std::ranges::equal(cache[i], expected[i])) << i;
  }
  static std::string slurp(const std::string& path) { return read_file(path); }
  static void spit(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  Scratch scratch_;
  std::unique_ptr<Tokenizer> tokenizer_ = load_tokenizer(kModel);
};

TEST_F(TokenCacheTest, HoldsWhatTheTokenizerGivesAndIsBuiltOnce) {
  for (const int count : {0, 1, 2, 503}) {
    const std::vector<std::string> texts = make_texts(count);
    const TokenCache built = open(texts);
    EXPECT_TRUE(built.was_built());
    expect_right(built, texts);
    const TokenCache found = open(texts);
    EXPECT_FALSE(found.was_built());
    expect_right(found, texts);
  }
}

TEST_F(TokenCacheTest, AnotherPieceSizeIsTheSameCorpus) {
  const std::vector<std::string> texts = make_texts(300);
  open(texts);
  const TokenCache cache(scratch_.path(), *tokenizer_, "", 64, source_of(texts, 17));
  EXPECT_FALSE(cache.was_built());
}

TEST_F(TokenCacheTest, WhateverDecidesTheIdsDecidesTheFile) {
  std::vector<std::string> texts = make_texts(50);
  EXPECT_TRUE(open(texts).was_built());
  EXPECT_TRUE(open(texts, "query: ").was_built());
  expect_right(open(texts, "query: "), texts, "query: ");
  EXPECT_TRUE(open(texts, "", 5).was_built());
  expect_right(open(texts, "", 5), texts, "", 5);
  std::swap(texts[0], texts[1]);
  EXPECT_TRUE(open(texts).was_built());
  texts[1] += texts[2];  // the same bytes, cut elsewhere
  texts[2].clear();
  EXPECT_TRUE(open(texts).was_built());
  // Another tokenizer: one without the last word of the vocabulary.
  const std::string other = scratch_ / "other";
  fs::create_directories(other);
  for (const char* name : {"vocab.txt", "tokenizer_config.json"})
    fs::copy_file(kModel + "/" + name, other + "/" + name);
  std::string words = slurp(other + "/vocab.txt");
  words.erase(words.rfind('\n', words.size() - 2) + 1);
  spit(other + "/vocab.txt", words);
  const auto another = load_tokenizer(other);
  ASSERT_NE(another->fingerprint(), tokenizer_->fingerprint());
  EXPECT_TRUE(TokenCache(scratch_.path(), *another, "", 64, source_of(texts)).was_built());
}

// Every byte of a small file, one after the other; and every length that it may be cut to.
TEST_F(TokenCacheTest, ADamagedFileIsBuiltAnewAndNeverUsed) {
  const std::vector<std::string> texts = {"where is it?", "", "kept in room 3"};
  const std::string path = open(texts).path();
  const std::string good = slurp(path);
  ASSERT_EQ(good.size() % 8, 0u);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
    spit(path, bad);
    const TokenCache cache = open(texts);
    ASSERT_TRUE(cache.was_built()) << "byte " << i << " of " << good.size();
    expect_right(cache, texts);
    ASSERT_EQ(slurp(path), good);
  }
  for (std::size_t size = 0; size < good.size(); size += 3) {
    spit(path, good.substr(0, size));
    ASSERT_TRUE(open(texts).was_built()) << size;
  }
  spit(path, good + good);
  EXPECT_TRUE(open(texts).was_built());
  spit(path, std::string(8, 'x') + good);
  EXPECT_TRUE(open(texts).was_built());
  EXPECT_FALSE(open(texts).was_built());
}

TEST_F(TokenCacheTest, AFileOfAnotherCorpusUnderThisNameIsNotUsed) {
  const std::vector<std::string> texts = make_texts(20), others = make_texts(21);
  const std::string path = open(texts).path();
  spit(path, slurp(open(others).path()));
  const TokenCache cache = open(texts);
  EXPECT_TRUE(cache.was_built());
  expect_right(cache, texts);
}

TEST_F(TokenCacheTest, AMapThatIsReplacedStaysWhatItWas) {
  const std::vector<std::string> texts = make_texts(40);
  const TokenCache first = open(texts);
  fs::remove(first.path());
  EXPECT_TRUE(open(texts).was_built());
  expect_right(first, texts);
}

TEST_F(TokenCacheTest, SeveralBuildAtOnce) {
  const std::vector<std::string> texts = make_texts(400);
  std::vector<std::jthread> builders;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i)
    builders.emplace_back([&] {
      const TokenCache cache = open(texts);
      expect_right(cache, texts);
      ++right;
    });
  builders.clear();
  EXPECT_EQ(right, 8);
  EXPECT_EQ(scratch_.names().size(), 1u);  // no temporaries
}

TEST_F(TokenCacheTest, FailuresLeaveNoFile) {
  const std::vector<std::string> texts = make_texts(30);
  int calls = 0;
  const TextSource changing = [&](const auto& give) {
    const std::string text = "pass " + std::to_string(++calls);
    const std::string_view view = text;
    give(std::span(&view, 1));
  };
  EXPECT_THROW(TokenCache(scratch_.path(), *tokenizer_, "", 64, changing), Error);
  EXPECT_THROW(open({"fine", "not \xff UTF-8"}), Error);
  set_durable_hook([](DurableOperation operation, const std::string&) {
    return operation == DurableOperation::kWrite ? ENOSPC : 0;
  });
  EXPECT_THROW(open(texts), Error);
  set_durable_hook({});
  EXPECT_EQ(scratch_.names().size(), 0u);
  expect_right(open(texts), texts);
}

std::int64_t anonymous_memory() {
  LineReader lines("/proc/self/status");
  std::string_view line;
  while (lines.next(line))
    if (line.starts_with("RssAnon:")) return std::atoll(line.data() + 8) << 10;
  return 0;
}

// A corpus on disk that is read line by line; ATTUNE_CACHE_TEXTS texts, 10 million in the campaign.
TEST(TokenCacheMemory, IsBoundedWhateverTheCorpus) {
  const char* given = std::getenv("ATTUNE_CACHE_TEXTS");
  const std::int64_t count = given != nullptr ? std::atoll(given) : 100'000;
  const std::string folder =
      fs::temp_directory_path() / ("attune_cache_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const std::string corpus = folder + "/corpus.txt";
  {
    std::ofstream out(corpus);
    for (std::int64_t i = 0; i < count; ++i) out << "where is item " << i << " kept?\n";
  }
  const std::int64_t before = anonymous_memory();
  std::int64_t most = 0;
  const TextSource texts = [&](const auto& give) {
    LineReader reader(corpus);
    std::vector<std::string> lines;
    const auto flush = [&] {
      give(std::vector<std::string_view>(lines.begin(), lines.end()));
      lines.clear();
      most = std::max(most, anonymous_memory());
    };
    for (std::string_view line; reader.next(line);) {
      lines.emplace_back(line);
      if (lines.size() == 50'000) flush();
    }
    flush();
  };
  const auto tokenizer = load_tokenizer(kModel);
  EXPECT_TRUE(TokenCache(folder, *tokenizer, "", 32, texts).was_built());
  const TokenCache cache(folder, *tokenizer, "", 32, texts);
  EXPECT_FALSE(cache.was_built());
  EXPECT_EQ(cache.num_texts(), count);
  std::vector<std::int32_t> last;
  tokenizer->encode("", "where is item " + std::to_string(count - 1) + " kept?", 32, last);
  EXPECT_TRUE(std::ranges::equal(cache[count - 1], last));
  std::cout << count << " texts of " << fs::file_size(corpus) << " bytes, " << cache.num_ids()
            << " ids in " << fs::file_size(cache.path()) << " bytes; memory grew by "
            << ((most - before) >> 20) << " MiB\n";
  // What grows with the corpus are the lengths: 4 bytes a text, twice while the vector grows.
  EXPECT_LT(most - before, (std::int64_t{160} << 20) + 12 * count);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace attune
