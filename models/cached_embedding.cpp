#include "models/cached_embedding.h"

#include <algorithm>

#include "core/crc32c.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"

namespace attune {
namespace {

constexpr std::size_t kBlock = 1024;   // texts embedded and written at a time
constexpr std::size_t kKeyBytes = 64;  // SHA-256 as hexadecimal digits

std::string_view sum_of(std::string_view key_and_vector, std::uint32_t& sum) {
  sum = crc32c(key_and_vector);
  return {reinterpret_cast<const char*>(&sum), sizeof sum};
}

}  // namespace

CachedEmbedding::CachedEmbedding(std::shared_ptr<const BaseEmbedding> base,
                                 const std::string& folder, const std::string& precision)
    : base_(std::move(base)) {
  if (folder.empty()) return;
  for (Role role : {Role::kQuery, Role::kText}) open(role, folder, precision);
}

void CachedEmbedding::open(Role role, const std::string& folder, const std::string& precision) {
  const bool query = role == Role::kQuery;
  const std::string space = sha256(str_cat(query ? base_->query_space() : base_->document_space(),
                                           " ", precision, " ", base_->dimension(), " with sums"));
  const std::size_t summed = kKeyBytes + sizeof(float) * static_cast<std::size_t>(dimension());
  const std::size_t bytes = summed + sizeof(std::uint32_t);
  Store& store = stores_[static_cast<int>(role)];
  store.file = std::make_unique<RecordFile>(
      str_cat(folder, query ? "/query-" : "/text-", space.substr(0, 16), ".vectors"),
      static_cast<std::int64_t>(bytes));
  std::int64_t damaged = 0;
  for (auto rest = store.file->records(); !rest.empty(); rest = rest.subspan(bytes)) {
    const std::string_view record(reinterpret_cast<const char*>(rest.data()), bytes);
    std::uint32_t sum = 0;
    if (sum_of(record.substr(0, summed), sum) != record.substr(summed))
      ++damaged;
    else
      store.places[std::string(record.substr(0, kKeyBytes))] =
          reinterpret_cast<const float*>(rest.data() + kKeyBytes);
  }
  if (damaged > 0)
    log_warning(str_cat(folder, ": ", damaged, " kept vectors are damaged and are made anew"));
}

void CachedEmbedding::embed(Role role, std::span<const std::string_view> texts,
                            std::span<float> out) const {
  const std::lock_guard lock(mutex_);
  Store& store = stores_[static_cast<int>(role)];
  const std::size_t width = static_cast<std::size_t>(dimension());
  std::vector<std::string> keys;
  std::vector<std::string_view> absent;
  std::vector<std::string> absent_keys;
  for (const std::string_view text : texts) {
    keys.push_back(sha256(text));
    if (store.places.try_emplace(keys.back(), nullptr).second) {
      absent.push_back(text);
      absent_keys.push_back(keys.back());
    }
  }
  for (std::size_t done = 0; done < absent.size(); done += kBlock) {
    const std::size_t count = std::min(kBlock, absent.size() - done);
    try {
      if (done > 0 && stop_ && stop_())
        throw_error(ErrorKind::kInterrupted, base_->model_name(), ": stopped after embedding ",
                    done, " of ", absent.size(), " texts, which are kept");
      add(store, role, std::span(absent).subspan(done, count),
          std::span(absent_keys).subspan(done, count));
    } catch (...) {
      for (std::size_t i = done; i < absent.size(); ++i) store.places.erase(absent_keys[i]);
      throw;
    }
  }
  for (std::size_t i = 0; i < texts.size(); ++i)
    std::copy_n(store.places.at(keys[i]), width, out.data() + i * width);
}

void CachedEmbedding::add(Store& store, Role role, std::span<const std::string_view> texts,
                          std::span<const std::string> keys) const {
  const auto width = static_cast<std::size_t>(dimension());
  std::vector<float> vectors = role == Role::kQuery ? base_->get_query_embedding_batch(texts)
                                                    : base_->get_text_embedding_batch(texts);
  std::string records;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string record =
        keys[i] + std::string(reinterpret_cast<const char*>(vectors.data() + i * width),
                              sizeof(float) * width);
    std::uint32_t sum = 0;
    records.append(record).append(sum_of(record, sum));
  }
  if (store.file) store.file->append(records);
  store.added.push_back(std::move(vectors));
  for (std::size_t i = 0; i < keys.size(); ++i)
    store.places[keys[i]] = store.added.back().data() + i * width;
  computed_ += std::ssize(texts);
}

}  // namespace attune
