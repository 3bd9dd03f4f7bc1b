// The two caches of attune/embedding_services.h.
#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <attune/embedding_services.h>

#include "core/crc32c.h"
#include "core/database.h"
#include "core/error.h"

namespace attune {
namespace {

class MemoryCache : public EmbeddingCache {
 public:
  explicit MemoryCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  std::vector<bool> find(std::span<const std::string> keys, std::span<float> vectors) override {
    std::vector<bool> found(keys.size());
    if (keys.empty()) return found;
    const std::size_t width = vectors.size() / keys.size();
    const std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto place = places_.find(keys[i]);
      if (place == places_.end() || place->second->vector.size() != width) continue;
      entries_.splice(entries_.begin(), entries_, place->second);  // used last
      std::copy_n(place->second->vector.data(), width, vectors.data() + i * width);
      found[i] = true;
    }
    return found;
  }

  void put(std::span<const std::string> keys, std::span<const float> vectors) override {
    if (keys.empty()) return;
    const std::size_t width = vectors.size() / keys.size();
    const std::size_t bytes = width * sizeof(float) + kBytesBeside;
    if (bytes > max_bytes_) return;
    const std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (places_.contains(keys[i])) continue;  // of another thread meanwhile
      while (bytes_ + bytes > max_bytes_) drop_oldest();
      const auto row = vectors.subspan(i * width, width);
      entries_.push_front({keys[i], {row.begin(), row.end()}});
      places_[keys[i]] = entries_.begin();
      bytes_ += bytes;
    }
  }

 private:
  // Of an entry, beside its vector: the key twice, a list's and a map's node.
  static constexpr std::size_t kBytesBeside = 2 * 65 + 150;
  struct Entry {
    std::string key;
    std::vector<float> vector;
  };
  void drop_oldest() {
    bytes_ -= entries_.back().vector.size() * sizeof(float) + kBytesBeside;
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }

  const std::size_t max_bytes_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // used last first
  std::unordered_map<std::string, std::list<Entry>::iterator> places_;
  std::size_t bytes_ = 0;
};

class SqliteCache : public EmbeddingCache {
 public:
  explicit SqliteCache(const std::string& path) : database_(path) {
    database_.transaction([&] {
      const auto version = std::get<std::int64_t>(database_.run("PRAGMA user_version")[0][0]);
      const auto tables = database_.run("SELECT name FROM sqlite_master WHERE type='table'");
      if (version == 0 && tables.empty()) {
        database_.run(
            "CREATE TABLE vectors(key TEXT PRIMARY KEY, crc32c INTEGER NOT NULL, "
            "vector BLOB NOT NULL) WITHOUT ROWID");
        database_.run("PRAGMA user_version=" + std::to_string(kSchema));
      } else if (version != kSchema || tables.size() != 1 ||
                 tables[0][0] != Database::Value(std::string("vectors"))) {
        throw_error(ErrorKind::kData, path, ": is a database, but no cache of vectors of this ",
                    "attune (user_version ", version, ", expected ", kSchema,
                    "): give another file, or move it away and a new one is made");
      }
    });
  }

  std::vector<bool> find(std::span<const std::string> keys, std::span<float> vectors) override {
    std::vector<bool> found(keys.size());
    if (keys.empty()) return found;
    const std::size_t width = vectors.size() / keys.size();
    const std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto rows = database_.run("SELECT crc32c, vector FROM vectors WHERE key=?", {keys[i]});
      if (rows.empty()) continue;
      const auto* sum = std::get_if<std::int64_t>(&rows[0][0]);
      const auto* bytes = std::get_if<Database::Bytes>(&rows[0][1]);
      // Damaged: computed and written once more.
      if (!sum || !bytes || bytes->size() != width * sizeof(float) ||
          *sum != sum_of(keys[i], *bytes))
        continue;
      std::memcpy(vectors.data() + i * width, bytes->data(), bytes->size());
      found[i] = true;
    }
    return found;
  }

  void put(std::span<const std::string> keys, std::span<const float> vectors) override {
    if (keys.empty()) return;
    const std::size_t width = vectors.size() / keys.size();
    const std::scoped_lock lock(mutex_);
    database_.transaction([&] {
      for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto row = std::as_bytes(vectors.subspan(i * width, width));
        const Database::Bytes bytes(row.begin(), row.end());
        database_.run("INSERT OR REPLACE INTO vectors VALUES(?, ?, ?)",
                      {keys[i], sum_of(keys[i], bytes), bytes});
      }
    });
  }

 private:
  static constexpr std::int64_t kSchema = 7401;  // of no other file of attune
  static std::int64_t sum_of(const std::string& key, const Database::Bytes& bytes) {
    std::string both = key;
    both.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return crc32c(both);
  }
  std::mutex mutex_;  // a connection is one thread's at a time
  Database database_;
};

}  // namespace

std::shared_ptr<EmbeddingCache> make_memory_cache(std::size_t max_bytes) {
  return std::make_shared<MemoryCache>(max_bytes);
}

std::shared_ptr<EmbeddingCache> open_sqlite_cache(const std::string& path) {
  return std::make_shared<SqliteCache>(path);
}

}  // namespace attune
