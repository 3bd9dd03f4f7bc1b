// What a model made of the words it saw last: most words of a text are few, and looking one up is
// several times cheaper than merging it again. One cache per thread for all models, so no locks; a
// slot says whose it is. 1 MiB a thread, made when the thread first asks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace attune {

class WordCache {
 public:
  static constexpr std::size_t kMaxBytes = 18;
  static constexpr std::size_t kMaxIds = 10;

  // A number for one model, never given twice.
  static std::uint32_t new_owner() {
    static std::atomic<std::uint32_t> owners{0};
    return ++owners;
  }
  static WordCache& of_this_thread() {
    thread_local WordCache cache;
    return cache;
  }

  struct Slot {
    std::uint32_t owner = 0;  // 0: free
    std::uint8_t num_bytes = 0, num_ids = 0;
    std::array<char, kMaxBytes> bytes;
    std::array<std::int32_t, kMaxIds> ids;

    bool holds(std::uint32_t who, std::string_view word) const {
      return owner == who && num_bytes == word.size() &&
             std::memcmp(bytes.data(), word.data(), word.size()) == 0;
    }
    // A word too long or with too many ids is not kept.
    void keep(std::uint32_t who, std::string_view word, std::span<const std::int32_t> its_ids) {
      if (word.size() > kMaxBytes || its_ids.size() > kMaxIds) return;
      owner = who;
      num_bytes = static_cast<std::uint8_t>(word.size());
      num_ids = static_cast<std::uint8_t>(its_ids.size());
      std::memcpy(bytes.data(), word.data(), word.size());
      if (!its_ids.empty()) std::memcpy(ids.data(), its_ids.data(), its_ids.size_bytes());
    }
  };

  // The one slot where the word may be; word.size() <= kMaxBytes.
  Slot& slot(std::uint32_t owner, std::string_view word) {
    std::uint64_t parts[3] = {};
    std::memcpy(parts, word.data(), word.size());
    std::uint64_t hash = (parts[0] ^ owner) * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 32 ^ parts[1]) * 0xD6E8FEB86659FD93u;
    hash = (hash ^ hash >> 32 ^ parts[2] ^ word.size()) * 0x9E3779B97F4A7C15u;
    return slots_[hash >> (64 - kBits)];
  }

 private:
  static constexpr int kBits = 14;
  WordCache() : slots_(std::size_t{1} << kBits) {}
  std::vector<Slot> slots_;
};

}  // namespace attune
