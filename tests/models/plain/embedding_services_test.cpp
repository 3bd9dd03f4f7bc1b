// The public half of BaseEmbedding: batches, events, cache, limits, counters, futures.
#include <attune/embedding_services.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/database.h"
#include "core/durable.h"
#include "core/error.h"
#include "core/task_pool.h"
#include "models/mock_embedding.h"
#include "models/vectors_file_embedding.h"
#include "tests/core/scratch.h"
#include "tests/support/refusal.h"

namespace attune {
namespace {

using Texts = std::vector<std::string_view>;

// Four numbers that tell the role's prompt and the text's length; counts what it computes.
class Counting : public BaseEmbedding {
 public:
  explicit Counting(std::string prompt = "q: ") : prompt_(std::move(prompt)) {}
  int dimension() const override { return 4; }
  std::string model_name() const override { return "counting"; }
  std::string document_space() const override { return "space"; }
  std::string query_space() const override { return "space " + prompt_; }
  std::atomic<std::int64_t> computed{0}, calls{0};
  std::size_t most_texts = 0, most_bytes = 0;

  // Counters of a const model.
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override {
    const_cast<Counting*>(this)->computed += std::ssize(texts);
    ++const_cast<Counting*>(this)->calls;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (texts[i] == "bad") throw_error(ErrorKind::kData, "a bad text");
      if (texts[i] == "nan") out[4 * i] = NAN;
      const auto length = static_cast<float>(texts[i].size());
      const float prompt = role == Role::kQuery ? static_cast<float>(prompt_.size()) : 0;
      const std::array<float, 4> row = {length, prompt, 1, texts[i] == "nan" ? NAN : 0};
      std::copy(row.begin(), row.end(), out.data() + 4 * i);
    }
  }
  Taken embed_counted(Role role, std::span<const std::string_view> texts,
                      std::span<float> out) const override {
    embed(role, texts, out);
    return {.requests = 1, .tokens = 7 * std::ssize(texts)};
  }
  BatchLimits batch_limits() const override { return {most_texts, most_bytes}; }

 private:
  std::string prompt_;
};

struct Heard : EmbeddingCallback {
  void on_embedding_start(const EmbeddingStart& start) override {
    const std::scoped_lock lock(mutex);
    starts.insert(start.batch);
    name = start.model_name;
  }
  void on_embedding_end(const EmbeddingEnd& end) override {
    const std::scoped_lock lock(mutex);
    ends.insert(end.batch);
    chunks.push_back(end.chunks.size());
    numbers += end.embeddings.size();
    cached += end.cached;
    if (!end.error.empty()) errors.push_back(end.error);
  }
  std::mutex mutex;
  std::set<std::int64_t> starts, ends;
  std::string name;
  std::vector<std::size_t> chunks;
  std::vector<std::string> errors;
  std::size_t numbers = 0;
  std::int64_t cached = 0;
};

TEST(EmbeddingBatches, AreCutByNumberAndBytesAndToldEach) {
  Counting model;
  const auto heard = std::make_shared<Heard>();
  EmbeddingServices services;
  services.embed_batch_size = 3;
  services.callbacks = {heard};
  model.use(services);
  std::vector<std::size_t> progress;
  const Texts texts = {"a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg"};
  const auto vectors = model.get_text_embedding_batch(texts, [&](std::size_t done, std::size_t of) {
    EXPECT_EQ(of, 7u);
    progress.push_back(done);
  });
  ASSERT_EQ(vectors.size(), 28u);
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(vectors[4 * i], static_cast<float>(i + 1));
  EXPECT_EQ(progress, (std::vector<std::size_t>{3, 6, 7}));
  EXPECT_EQ(heard->chunks, (std::vector<std::size_t>{3, 3, 1}));
  EXPECT_EQ(heard->starts.size(), 3u);
  EXPECT_EQ(heard->starts, heard->ends);
  EXPECT_EQ(heard->numbers, 28u);
  EXPECT_EQ(heard->name, "counting");

  model.most_texts = 2;
  model.get_text_embedding_batch(texts);
  EXPECT_EQ(heard->chunks.size(), 7u);
  model.most_bytes = 1;  // a longer text comes alone
  model.get_text_embedding_batch(texts);
  EXPECT_EQ(heard->chunks.size(), 14u);
  EXPECT_TRUE(model.get_text_embedding_batch({}).empty());
  EXPECT_EQ(heard->chunks.size(), 14u);
}

TEST(EmbeddingBatches, ErrorsAreToldCountedAndThrown) {
  const Counting model;
  const auto heard = std::make_shared<Heard>();
  model.add_callback(heard);
  model.add_callback(heard);  // is there already
  message_of(ErrorKind::kData, [&] { model.get_text_embedding("bad"); });
  model.get_query_embedding("good");
  EXPECT_EQ(heard->errors, std::vector<std::string>{"a bad text"});
  EXPECT_EQ(heard->ends.size(), 2u);
  const EmbeddingUsage usage = model.usage();
  EXPECT_EQ(usage.texts, 2);
  EXPECT_EQ(usage.failures, 1);
  EXPECT_EQ(usage.requests, 1);
  EXPECT_EQ(usage.tokens, 7);
  EXPECT_GT(usage.seconds, 0);

  struct Throwing : EmbeddingCallback {  // not even a std::exception
    void on_embedding_start(const EmbeddingStart&) override { throw 7; }
  };
  model.add_callback(std::make_shared<Throwing>());
  EXPECT_THROW(model.get_text_embedding("good"), int);
  EXPECT_EQ(heard->ends.size(), 3u);
  EXPECT_EQ(model.usage().failures, 2);
  message_of(ErrorKind::kConfig, [&] { model.add_callback(nullptr); });
  message_of(ErrorKind::kConfig, [&] { model.use({.callbacks = {nullptr}}); });
  message_of(ErrorKind::kConfig, [&] { model.use({.embed_batch_size = -1}); });
}

TEST(EmbeddingCaches, KeepRolesPromptsAndModelsApart) {
  const Scratch scratch;
  for (const auto& cache : {make_memory_cache(1 << 20), open_sqlite_cache(scratch / "v.sqlite")}) {
    const Counting model, other("other prompt: ");
    for (const Counting* one : {&model, &other}) one->use({.cache = cache});
    const Texts texts = {"a", "bb", "a"};
    const auto first = model.get_text_embedding_batch(texts);
    EXPECT_EQ(model.computed, 2) << "a text twice in a batch is computed once";
    EXPECT_EQ(model.get_text_embedding_batch(texts), first);
    EXPECT_EQ(model.computed, 2);
    EXPECT_EQ(model.usage().cached, 3);
    EXPECT_EQ(model.get_query_embedding("a")[1], 3) << "the document's vector for a query";
    EXPECT_EQ(model.computed, 3);
    EXPECT_EQ(other.get_query_embedding("a")[1], 14);
    other.get_text_embedding("a");
    EXPECT_EQ(other.computed, 1) << "its document space is the same";
    message_of(ErrorKind::kData, [&] { model.get_text_embedding("nan"); });
    message_of(ErrorKind::kData, [&] { model.get_text_embedding("nan"); });  // was not kept
  }
}

TEST(EmbeddingCaches, MemoryHasALimitAndForgetsTheOldest) {
  const auto cache = make_memory_cache(1000);  // three of these vectors
  const Counting model;
  model.use({.cache = cache});
  for (const char* text : {"a", "bb", "ccc", "a", "dddd", "a"}) model.get_text_embedding(text);
  EXPECT_EQ(model.computed, 4) << "'a' was used last and stays";
  model.get_text_embedding("bb");
  EXPECT_EQ(model.computed, 5);
  const Counting unkept;
  unkept.use({.cache = make_memory_cache(10)});
  unkept.get_text_embedding("a");
  unkept.get_text_embedding("a");
  EXPECT_EQ(unkept.computed, 2);
}

TEST(EmbeddingCaches, SqliteIsSharedByProcessesAndMendsDamage) {
  const Scratch scratch;
  const std::string path = scratch / "v.sqlite";
  constexpr int kProcesses = 4, kTexts = 20;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        const Counting model;
        model.use({.cache = open_sqlite_cache(path)});
        for (int i = 0; i < kTexts; ++i) model.get_text_embedding(std::string(i + 1, 'x'));
        ::_exit(0);
      } catch (const std::exception& error) {
        std::fputs(error.what(), stderr);
        ::_exit(1);
      }
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const Counting model;
  model.use({.cache = open_sqlite_cache(path)});
  for (int i = 0; i < kTexts; ++i) model.get_text_embedding(std::string(i + 1, 'x'));
  EXPECT_EQ(model.computed, 0);
  Database(path).run("UPDATE vectors SET vector=zeroblob(16)");
  EXPECT_EQ(model.get_text_embedding("x")[0], 1);
  EXPECT_EQ(model.computed, 1);
  Database(path).run("UPDATE vectors SET vector=zeroblob(12), crc32c='text'");
  EXPECT_EQ(model.get_text_embedding("x")[0], 1);
  EXPECT_EQ(model.computed, 2);
}

TEST(EmbeddingCaches, SqliteRefusesOtherFiles) {
  const Scratch scratch;
  write_file_durably(scratch / "text", std::string(5000, 'x'));
  message_of(ErrorKind::kData, [&] { open_sqlite_cache(scratch / "text"); });
  Database(scratch / "jobs").run("CREATE TABLE jobs(id)");
  EXPECT_NE(message_of(ErrorKind::kData, [&] { open_sqlite_cache(scratch / "jobs"); })
                .find("no cache of vectors"),
            std::string::npos);
  message_of(ErrorKind::kResources, [&] { open_sqlite_cache("/proc/nowhere/v.sqlite"); });
}

TEST(EmbeddingLimits, ArePaidForWhatIsComputedAlone) {
  struct Counter : RateLimiter {
    void wait(std::int64_t tokens) override { waits.push_back(tokens); }
    void correct(std::int64_t requests, std::int64_t tokens) override {
      corrected += requests * 1000 + tokens;
    }
    std::vector<std::int64_t> waits;
    std::int64_t corrected = 0;
  };
  const auto limiter = std::make_shared<Counter>();
  const Counting model;
  model.use({.cache = make_memory_cache(1 << 20), .limiter = limiter});
  const Texts texts = {"twelve bytes", "four"};
  model.get_text_embedding_batch(texts);
  model.get_text_embedding_batch(texts);
  model.get_text_embedding("four");
  EXPECT_EQ(limiter->waits, std::vector<std::int64_t>{4});
  EXPECT_EQ(limiter->corrected, 14 - 4);

  const Counting slow;
  slow.use({.limiter = make_rate_limiter(600, 0)});
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 4; ++i) slow.get_text_embedding("a");
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(300));
  message_of(ErrorKind::kConfig, [] { make_rate_limiter(-1, 0); });
}

TEST(Embeddings, AreAggregated) {
  const Counting model;
  const Texts texts = {"a", "ccc"};
  EXPECT_EQ(model.get_agg_embedding_from_queries(texts), (std::vector<float>{2, 3, 1, 0}));
  const auto first = [](std::span<const float> vectors, std::size_t width) {
    return std::vector<float>(vectors.begin(), vectors.begin() + width);
  };
  EXPECT_EQ(model.get_agg_embedding_from_queries(texts, first), (std::vector<float>{1, 3, 1, 0}));
  message_of(ErrorKind::kConfig, [&] { model.get_agg_embedding_from_queries({}); });
  const auto wrong = [](std::span<const float>, std::size_t) { return std::vector<float>(3); };
  message_of(ErrorKind::kConfig, [&] { model.get_agg_embedding_from_queries(texts, wrong); });
}

TEST(Embeddings, AreComparedInThreeWays) {
  const std::vector<float> a = {3, 4}, b = {6, 8}, zero = {0, 0}, three = {1, 2, 3};
  EXPECT_DOUBLE_EQ(similarity(a, b), 1);
  EXPECT_DOUBLE_EQ(similarity(a, zero), 0);
  EXPECT_DOUBLE_EQ(similarity(zero, zero), 0);
  EXPECT_DOUBLE_EQ(similarity(a, b, SimilarityMode::kDotProduct), 50);
  EXPECT_DOUBLE_EQ(similarity(a, b, SimilarityMode::kEuclidean), -5);
  const std::vector<float> unknown = {NAN, 0};
  EXPECT_TRUE(std::isnan(similarity(a, unknown))) << "0 would hide it";
  message_of(ErrorKind::kConfig, [&] { similarity(a, three); });
}

TEST(Embeddings, ComeInFutures) {
  auto model = std::make_shared<const Counting>();
  std::vector<std::future<std::vector<float>>> futures;
  for (int i = 1; i <= 50; ++i) futures.push_back(model->aget_text_embedding(std::string(i, 'x')));
  auto bad = model->aget_query_embedding("bad");
  auto mean = model->aget_agg_embedding_from_queries({"a", "ccc"});
  auto batch = model->aget_text_embedding_batch({"a", "bb"});
  auto queries = model->aget_query_embedding_batch({"a"});
  model.reset();  // the futures keep it
  for (int i = 1; i <= 50; ++i) EXPECT_EQ(futures[i - 1].get()[0], i);
  EXPECT_EQ(mean.get()[0], 2);
  EXPECT_EQ(batch.get()[4], 2);
  EXPECT_EQ(queries.get()[1], 3);
  EXPECT_THROW(bad.get(), Error);
}

TEST(TaskPool, WhatATaskHeldMayHandInATask) {
  TaskPool pool(1);
  std::atomic<bool> done{false};
  struct Last {
    ~Last() { handed_in(); }
    std::function<void()> handed_in;
  };
  auto last = std::make_shared<Last>();
  last->handed_in = [&] { pool.submit([&] { done = true; }); };
  pool.submit([last = std::move(last)] {});
  while (!done) std::this_thread::yield();
}

TEST(TaskPool, RunsAtMostSoManyAtATime) {
  std::atomic<int> now{0}, most{0}, done{0};
  {
    TaskPool pool(3);
    for (int i = 0; i < 30; ++i)
      pool.submit([&] {
        const int running = ++now;
        for (int before = most; before < running && !most.compare_exchange_weak(before, running);) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        --now;
        ++done;
      });
    while (done < 30) std::this_thread::yield();
  }
  EXPECT_LE(most, 3);
  EXPECT_GT(most, 1);
}

// Everything at once; scripts that build with -fsanitize=thread run this.
TEST(Embeddings, AreSafeOnEightThreads) {
  const Scratch scratch;
  const auto model = std::make_shared<const MockEmbedding>(8);
  const auto heard = std::make_shared<Heard>();
  const auto memory = make_memory_cache(20'000), file = open_sqlite_cache(scratch / "v.sqlite");
  const auto expected = MockEmbedding(8).get_text_embedding("text 5");
  std::atomic<std::int64_t> asked{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 40; ++i) {
          if (t == 0)
            model->use({.cache = i % 2 ? memory : file,
                        .limiter = make_rate_limiter(0, 0),
                        .embed_batch_size = 1 + i % 3});
          if (t == 1) model->add_callback(heard);
          std::vector<std::string> texts;
          for (int j = 0; j < 4; ++j) texts.push_back("text " + std::to_string((i + j + t) % 30));
          const Texts views(texts.begin(), texts.end());
          model->get_text_embedding_batch(views);
          auto later = model->aget_query_embedding_batch(texts);
          EXPECT_EQ(model->get_text_embedding("text 5"), expected);
          EXPECT_EQ(later.get().size(), 32u);
          asked += 9;
          (void)model->usage();
        }
      });
  }
  EXPECT_EQ(model->usage().texts, asked);
  EXPECT_EQ(model->usage().failures, 0);
}

TEST(MockEmbedding, IsTheSameEverywhere) {
  const MockEmbedding model(3);
  const auto vector = model.get_text_embedding("a");
  EXPECT_EQ(vector, model.get_query_embedding("a"));
  EXPECT_NE(vector, model.get_text_embedding("b"));
  EXPECT_NEAR(similarity(vector, vector, SimilarityMode::kDotProduct), 1, 1e-6);
  EXPECT_NE(model.document_space(), MockEmbedding(4).document_space());
  for (const int bad : {0, -1, 1 << 20})
    message_of(ErrorKind::kConfig, [&] { MockEmbedding{bad}; });
}

TEST(VectorsFile, GivesItsVectorsAndNamesWhatItHasNot) {
  const Scratch scratch;
  const std::string hash = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";  // a
  write_file_durably(scratch / "v.jsonl", "{\"sha256\": \"" + hash + "\", \"vector\": [1, 2]}\n\n" +
                                              R"({"text": "b", "role": "query", "vector": [3, 4]}
{"text": "b", "role": "text", "vector": [5, 6e0]})");
  const VectorsFileEmbedding model(scratch / "v.jsonl");
  EXPECT_EQ(model.dimension(), 2);
  EXPECT_EQ(model.get_text_embedding("a"), (std::vector<float>{1, 2}));
  EXPECT_EQ(model.get_query_embedding("a"), (std::vector<float>{1, 2}));
  EXPECT_EQ(model.get_query_embedding("b"), (std::vector<float>{3, 4}));
  EXPECT_EQ(model.get_text_embedding("b"), (std::vector<float>{5, 6}));
  const std::string absent =
      message_of(ErrorKind::kData, [&] { model.get_text_embedding("not there"); });
  EXPECT_NE(absent.find("not there"), std::string::npos) << absent;

  const std::string good = R"({"text": "a", "vector": [1, 2]})";
  for (const std::string& bad : std::vector<std::string>{
           "[1]", "{", R"({"vector": [1, 2]})", R"({"text": "b", "sha256": "x", "vector": [1, 2]})",
           R"({"sha256": "xyz", "vector": [1, 2]})", R"({"text": 3, "vector": [1, 2]})",
           R"({"text": "b", "vector": [1]})", R"({"text": "b", "vector": []})",
           R"({"text": "b", "vector": [1, "2"]})", R"({"text": "b", "vector": [1, 1e300]})",
           R"({"text": "b", "vector": [1, null]})", R"({"text": "b"})",
           R"({"text": "b", "vector": [1, 2], "role": "both ways"})",
           R"({"text": "b", "vector": [1, 2], "other": 1})", good}) {
    write_file_durably(scratch / "bad.jsonl", good + "\n" + bad);
    const std::string told =
        message_of(ErrorKind::kData, [&] { VectorsFileEmbedding{scratch / "bad.jsonl"}; });
    EXPECT_NE(told.find("bad.jsonl:2"), std::string::npos) << told;
  }
  write_file_durably(scratch / "empty.jsonl", "\n");
  message_of(ErrorKind::kData, [&] { VectorsFileEmbedding{scratch / "empty.jsonl"}; });
  message_of(ErrorKind::kData, [&] { VectorsFileEmbedding{scratch / "absent.jsonl"}; });
}

}  // namespace
}  // namespace attune
