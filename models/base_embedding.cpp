#include <attune/base_embedding.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <attune/embedding_services.h>

#include "core/error.h"
#include "core/hash.h"
#include "core/task_pool.h"

namespace attune {
namespace {

using Texts = std::span<const std::string_view>;

constexpr int kThreadsOfFutures = 8;  // mostly servers are waited for

std::int64_t bytes_of(Texts texts) {
  std::int64_t bytes = 0;
  for (const std::string_view text : texts) bytes += std::ssize(text);
  return bytes;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<std::string_view> views_of(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

std::vector<float> mean_of(std::span<const float> vectors, std::size_t dimension) {
  std::vector<double> sum(dimension);
  for (std::size_t i = 0; i < vectors.size(); ++i) sum[i % dimension] += vectors[i];
  std::vector<float> mean;
  for (const double x : sum)
    mean.push_back(static_cast<float>(x * static_cast<double>(dimension) /
                                      static_cast<double>(vectors.size())));
  return mean;
}

TaskPool& pool_of_futures() {
  static TaskPool pool(kThreadsOfFutures);
  return pool;
}

// Services as one call sees them.
struct Attached {
  EmbeddingServices services;
  std::string spaces[2];  // of queries and of texts, where there is a cache
};

// The absent texts of a batch, each once.
struct Absent {
  std::vector<std::string_view> texts;
  std::vector<std::string> keys;
  std::vector<std::size_t> place;  // [batch] in `texts`; of what the cache had: unused
};

}  // namespace

struct BaseEmbedding::State {
  mutable std::mutex mutex;
  std::shared_ptr<const Attached> attached = std::make_shared<Attached>();
  EmbeddingUsage usage;

  std::shared_ptr<const Attached> now() const {
    const std::scoped_lock lock(mutex);
    return attached;
  }
  void add(const EmbeddingUsage& more) {
    const std::scoped_lock lock(mutex);
    usage.texts += more.texts;
    usage.tokens += more.tokens;
    usage.cached += more.cached;
    usage.requests += more.requests;
    usage.failures += more.failures;
    usage.seconds += more.seconds;
  }

  // What of the batch is computed: `out` is filled with the rest.
  static Absent look_up(const Attached& with, Role role, std::size_t width, Texts texts,
                        std::span<float> out, EmbeddingUsage& taken) {
    Absent absent;
    std::vector<std::string> keys;
    for (const std::string_view text : texts)
      keys.push_back(sha256(str_cat(role == Role::kQuery ? "query " : "text ",
                                    with.spaces[static_cast<int>(role)], " ", width, " ", text)));
    const std::vector<bool> found = with.services.cache->find(keys, out);
    ATTUNE_ASSERT(found.size() == texts.size());
    std::unordered_map<std::string, std::size_t> seen;
    absent.place.resize(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (found[i]) {
        ++taken.cached;
        absent.place[i] = SIZE_MAX;
        continue;
      }
      const auto [place, is_new] = seen.emplace(keys[i], absent.texts.size());
      absent.place[i] = place->second;
      if (!is_new) continue;
      absent.texts.push_back(texts[i]);
      absent.keys.push_back(keys[i]);
    }
    return absent;
  }

  static void compute(const BaseEmbedding& model, const Attached& with, Role role, Texts texts,
                      std::span<float> out, EmbeddingUsage& taken) {
    const std::int64_t about = (bytes_of(texts) + 3) / 4;
    RateLimiter* const limiter = with.services.limiter.get();
    if (limiter) limiter->wait(about);
    const Taken of_kind = model.embed_counted(role, texts, out);
    taken.requests += of_kind.requests;
    taken.tokens += of_kind.tokens;
    if (limiter)
      limiter->correct(of_kind.requests - 1, of_kind.tokens > 0 ? of_kind.tokens - about : 0);
  }

  static void compute_or_look_up(const BaseEmbedding& model, const Attached& with, Role role,
                                 std::size_t width, Texts texts, std::span<float> out,
                                 EmbeddingUsage& taken) {
    if (!with.services.cache) return compute(model, with, role, texts, out, taken);
    const Absent absent = look_up(with, role, width, texts, out, taken);
    if (absent.texts.empty()) return;
    std::vector<float> vectors(absent.texts.size() * width);
    compute(model, with, role, absent.texts, vectors, taken);
    if (!std::all_of(vectors.begin(), vectors.end(), [](float x) { return std::isfinite(x); }))
      throw_error(ErrorKind::kData, model.model_name(),
                  ": an embedding holds NaN or infinity; nothing of its batch is kept");
    with.services.cache->put(absent.keys, vectors);
    for (std::size_t i = 0; i < texts.size(); ++i)
      if (absent.place[i] != SIZE_MAX)
        std::copy_n(vectors.data() + absent.place[i] * width, width, out.data() + i * width);
  }

  // One batch with its events.
  void embed_batch(const BaseEmbedding& model, const Attached& with, Role role, std::size_t width,
                   Texts texts, std::span<float> out) {
    static std::atomic<std::int64_t> batches{0};
    const auto& callbacks = with.services.callbacks;
    const auto start = std::chrono::steady_clock::now();
    EmbeddingUsage taken{.texts = std::ssize(texts)};
    EmbeddingEnd end;
    end.batch = ++batches;
    end.role = role;
    end.chunks = texts;
    if (!callbacks.empty()) end.model_name = model.model_name();
    const auto tell_failure = [&](const std::string& why) {
      taken.failures = 1;
      end.seconds = taken.seconds = seconds_since(start);
      add(taken);
      end.error = why;
      for (const auto& callback : callbacks) {
        try {
          callback->on_embedding_end(end);
        } catch (...) {  // the first error is the one that is told
        }
      }
    };
    try {
      for (const auto& callback : callbacks)
        callback->on_embedding_start({end.batch, end.model_name, role, texts});
      compute_or_look_up(model, with, role, width, texts, out, taken);
    } catch (const std::exception& error) {
      tell_failure(error.what());
      throw;
    } catch (...) {
      tell_failure("something that is no std::exception was thrown");
      throw;
    }
    end.seconds = taken.seconds = seconds_since(start);
    add(taken);
    end.embeddings = out;
    end.cached = taken.cached;
    end.tokens = taken.tokens;
    for (const auto& callback : callbacks) callback->on_embedding_end(end);
  }
};

double similarity(std::span<const float> a, std::span<const float> b, SimilarityMode mode) {
  if (a.size() != b.size())
    throw_error(ErrorKind::kConfig, "similarity of vectors of ", a.size(), " and ", b.size(),
                " numbers: they are of different models");
  double dot = 0, aa = 0, bb = 0, distance = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    distance += (x - y) * (x - y);
  }
  if (mode == SimilarityMode::kDotProduct) return dot;
  if (mode == SimilarityMode::kEuclidean) return -std::sqrt(distance);
  return aa == 0 || bb == 0 ? 0 : dot / (std::sqrt(aa) * std::sqrt(bb));
}

BaseEmbedding::BaseEmbedding() : state_(std::make_unique<State>()) {}
BaseEmbedding::~BaseEmbedding() = default;

std::vector<float> BaseEmbedding::get_query_embedding(std::string_view query) const {
  return compute(Role::kQuery, Texts(&query, 1), {});
}

std::vector<float> BaseEmbedding::get_text_embedding(std::string_view text) const {
  return compute(Role::kText, Texts(&text, 1), {});
}

std::vector<float> BaseEmbedding::get_query_embedding_batch(
    Texts queries, const EmbeddingProgress& progress) const {
  return compute(Role::kQuery, queries, progress);
}

std::vector<float> BaseEmbedding::get_text_embedding_batch(
    Texts texts, const EmbeddingProgress& progress) const {
  return compute(Role::kText, texts, progress);
}

std::vector<float> BaseEmbedding::get_agg_embedding_from_queries(
    Texts queries, const AggregateFunction& aggregate) const {
  if (queries.empty())
    throw_error(ErrorKind::kConfig, model_name(),
                ": an aggregate of no queries: give at least one");
  const std::vector<float> vectors = compute(Role::kQuery, queries, {});
  const std::size_t width = vectors.size() / queries.size();
  std::vector<float> out = aggregate ? aggregate(vectors, width) : mean_of(vectors, width);
  if (out.size() != width)
    throw_error(ErrorKind::kConfig, model_name(), ": the aggregate function gave ", out.size(),
                " numbers for vectors of ", width);
  return out;
}

BaseEmbedding::Taken BaseEmbedding::embed_counted(Role role, Texts texts,
                                                  std::span<float> out) const {
  embed(role, texts, out);
  return {};
}

std::vector<float> BaseEmbedding::compute(Role role, Texts texts,
                                          const EmbeddingProgress& progress) const {
  if (texts.empty()) return {};
  const std::shared_ptr<const Attached> with = state_->now();
  const auto width = static_cast<std::size_t>(dimension());
  std::vector<float> vectors(texts.size() * width);
  const BatchLimits limits = batch_limits();
  std::size_t most = texts.size();
  if (limits.texts > 0) most = std::min(most, limits.texts);
  if (with->services.embed_batch_size > 0)
    most = std::min(most, static_cast<std::size_t>(with->services.embed_batch_size));
  for (std::size_t begin = 0; begin < texts.size();) {
    std::size_t end = begin, bytes = 0;
    while (end < texts.size() && end - begin < most) {
      bytes += texts[end].size();
      if (end > begin && limits.bytes > 0 && bytes > limits.bytes) break;
      ++end;
    }
    state_->embed_batch(*this, *with, role, width, texts.subspan(begin, end - begin),
                        std::span(vectors).subspan(begin * width, (end - begin) * width));
    begin = end;
    if (progress) progress(begin, texts.size());
  }
  return vectors;
}

std::future<std::vector<float>> BaseEmbedding::later(
    std::function<std::vector<float>(const BaseEmbedding&)> work) const {
  // std::function wants to be copied, a promise cannot be.
  auto task = std::make_shared<std::packaged_task<std::vector<float>()>>(
      [this, kept = weak_from_this().lock(), work = std::move(work)] { return work(*this); });
  std::future<std::vector<float>> future = task->get_future();
  pool_of_futures().submit([task = std::move(task)] { (*task)(); });
  return future;
}

std::future<std::vector<float>> BaseEmbedding::aget_query_embedding(std::string query) const {
  return later([query = std::move(query)](const BaseEmbedding& model) {
    return model.get_query_embedding(query);
  });
}

std::future<std::vector<float>> BaseEmbedding::aget_text_embedding(std::string text) const {
  return later([text = std::move(text)](const BaseEmbedding& model) {
    return model.get_text_embedding(text);
  });
}

std::future<std::vector<float>> BaseEmbedding::aget_query_embedding_batch(
    std::vector<std::string> queries) const {
  return later([queries = std::move(queries)](const BaseEmbedding& model) {
    return model.get_query_embedding_batch(views_of(queries));
  });
}

std::future<std::vector<float>> BaseEmbedding::aget_text_embedding_batch(
    std::vector<std::string> texts) const {
  return later([texts = std::move(texts)](const BaseEmbedding& model) {
    return model.get_text_embedding_batch(views_of(texts));
  });
}

std::future<std::vector<float>> BaseEmbedding::aget_agg_embedding_from_queries(
    std::vector<std::string> queries, AggregateFunction aggregate) const {
  return later(
      [queries = std::move(queries), aggregate = std::move(aggregate)](const BaseEmbedding& model) {
        return model.get_agg_embedding_from_queries(views_of(queries), aggregate);
      });
}

void BaseEmbedding::use(EmbeddingServices services) const {
  if (services.embed_batch_size < 0)
    throw_error(ErrorKind::kConfig, "embed_batch_size ", services.embed_batch_size,
                ": expected at least 0");
  for (const auto& callback : services.callbacks)
    if (!callback) throw_error(ErrorKind::kConfig, "EmbeddingServices: a callback is null");
  Attached with{std::move(services), {}};
  if (with.services.cache) {  // hashing the weights takes a moment: once
    with.spaces[static_cast<int>(Role::kQuery)] = query_space();
    with.spaces[static_cast<int>(Role::kText)] = document_space();
  }
  auto attached = std::make_shared<const Attached>(std::move(with));
  const std::scoped_lock lock(state_->mutex);
  state_->attached.swap(attached);
}

void BaseEmbedding::add_callback(std::shared_ptr<EmbeddingCallback> callback) const {
  if (!callback) throw_error(ErrorKind::kConfig, "add_callback(): the callback is null");
  const std::scoped_lock lock(state_->mutex);
  const auto& there = state_->attached->services.callbacks;
  if (std::find(there.begin(), there.end(), callback) != there.end()) return;
  auto with = std::make_shared<Attached>(*state_->attached);
  with->services.callbacks.push_back(std::move(callback));
  state_->attached = std::move(with);
}

EmbeddingUsage BaseEmbedding::usage() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->usage;
}

}  // namespace attune
