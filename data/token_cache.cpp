#include "data/token_cache.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "core/crc32c.h"
#include "core/durable.h"
#include "core/error.h"
#include "core/log.h"

namespace attune {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::array<char, 8> kMagic = {'A', 'T', 'T', 'U', 'N', 'E', 'T', 'K'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kTextsAtATime = 8192;

struct Trailer {
  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t ids_sum = 0;  // padding included
  std::int64_t num_texts = 0, num_ids = 0;
  std::array<char, 64> key{};
  std::uint32_t offsets_sum = 0;
  std::uint32_t sum = 0;  // of all before it
};
static_assert(sizeof(Trailer) == 104);

template <class Values>
std::string_view bytes_of(const Values& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(*values.data())};
}

std::uint32_t sum_of(const Trailer& trailer) {
  return crc32c({reinterpret_cast<const char*>(&trailer), offsetof(Trailer, sum)});
}

// Padding between ids and offsets.
std::size_t padding(std::int64_t num_ids) { return num_ids % 2 == 0 ? 0 : sizeof(std::int32_t); }

// Of texts and where each ends.
class TextHash {
 public:
  void add(std::span<const std::string_view> texts) {
    for (const std::string_view text : texts) {
      const std::uint64_t size = text.size();
      hash_.update(bytes_of(std::span(&size, 1))).update(text);
    }
  }
  Fingerprint hex() { return hash_.hex(); }

 private:
  Sha256 hash_;
};

Fingerprint hash_texts(const TextSource& texts) {
  TextHash hash;
  texts([&](std::span<const std::string_view> piece) { hash.add(piece); });
  return hash.hex();
}

class Builder {
 public:
  Builder(const Tokenizer& tokenizer, std::string_view prompt, int max_length, int threads)
      : tokenizer_(tokenizer), prompt_(prompt), max_length_(max_length), threads_(threads) {}

  using Write = std::function<void(std::string_view)>;

  void write(const TextSource& texts, const Fingerprint& texts_hash, const Fingerprint& key,
             const Write& write_bytes) {
    TextHash hash;
    texts([&](std::span<const std::string_view> piece) {
      hash.add(piece);
      while (!piece.empty()) {
        const std::size_t count = std::min(piece.size(), kTextsAtATime);
        write_ids(piece.first(count), write_bytes);
        piece = piece.subspan(count);
      }
    });
    if (hash.hex() != texts_hash)
      throw_error(ErrorKind::kData,
                  "the texts changed while they were tokenised; start again when nothing writes "
                  "them any more");
    const std::string_view zeros("\0\0\0\0", padding(trailer_.num_ids));
    trailer_.ids_sum = crc32c(zeros, trailer_.ids_sum);
    write_bytes(zeros);
    write_offsets(write_bytes);
    trailer_.num_texts = std::ssize(lengths_);
    std::copy_n(key.begin(), trailer_.key.size(), trailer_.key.begin());
    trailer_.sum = sum_of(trailer_);
    write_bytes(bytes_of(std::span(&trailer_, 1)));
  }

 private:
  void write_ids(std::span<const std::string_view> texts, const Write& write_bytes) {
    const TokenizedTexts tokenized = tokenizer_.encode_batch(prompt_, texts, max_length_, threads_);
    for (std::int64_t text = 0; text < tokenized.num_texts(); ++text)
      lengths_.push_back(static_cast<std::int32_t>(std::ssize(tokenized[text])));
    const std::string_view bytes = bytes_of(tokenized.ids);
    trailer_.ids_sum = crc32c(bytes, trailer_.ids_sum);
    trailer_.num_ids += std::ssize(tokenized.ids);
    write_bytes(bytes);
  }

  void write_offsets(const Write& write_bytes) {
    std::vector<std::int64_t> offsets = {0};
    std::int64_t offset = 0;
    const auto flush = [&] {
      const std::string_view bytes = bytes_of(offsets);
      trailer_.offsets_sum = crc32c(bytes, trailer_.offsets_sum);
      write_bytes(bytes);
      offsets.clear();
    };
    for (const std::int32_t length : lengths_) {
      offsets.push_back(offset += length);
      if (offsets.size() >= kTextsAtATime) flush();
    }
    flush();
  }

  const Tokenizer& tokenizer_;
  std::string_view prompt_;
  int max_length_, threads_;
  Trailer trailer_;
  std::vector<std::int32_t> lengths_;
};

}  // namespace

TokenCache::TokenCache(const std::string& folder, const Tokenizer& tokenizer,
                       std::string_view prompt, int max_length, const TextSource& texts,
                       int threads) {
  const Fingerprint texts_hash = hash_texts(texts);
  const Fingerprint key = sha256(str_cat("attune tokens ", kVersion, "\n", texts_hash, "\n",
                                         tokenizer.fingerprint(), "\n", max_length, "\n", prompt));
  path_ = folder + "/" + key.substr(0, 16) + ".tokens";
  if (open(key, tokenizer.vocabulary_size())) return;
  was_built_ = true;
  write_file_durably(path_, [&](const Builder::Write& write) {
    Builder(tokenizer, prompt, max_length, threads).write(texts, texts_hash, key, write);
  });
  if (!open(key, tokenizer.vocabulary_size()))
    throw_error(ErrorKind::kResources, path_,
                ": written, and read back as something else; is the disk sound?");
}

bool TokenCache::open(const Fingerprint& key, std::int32_t vocabulary_size) {
  if (!file_exists(path_)) return false;
  MappedFile map(path_);
  const std::span<const std::byte> bytes = map.bytes();
  const auto is_good = [&] {
    Trailer trailer;
    if (bytes.size() < sizeof trailer) return false;
    const std::size_t body = bytes.size() - sizeof trailer;
    std::memcpy(&trailer, bytes.data() + body, sizeof trailer);
    if (trailer.magic != kMagic || trailer.version != kVersion || trailer.sum != sum_of(trailer) ||
        std::string_view(trailer.key.data(), trailer.key.size()) != key)
      return false;
    const auto most = static_cast<std::int64_t>(body / sizeof(std::int32_t));
    if (trailer.num_ids < 0 || trailer.num_ids > most || trailer.num_texts < 0 ||
        trailer.num_texts > most)
      return false;
    const std::size_t ids_bytes = static_cast<std::size_t>(trailer.num_ids) * sizeof(std::int32_t);
    const std::size_t offsets_begin = ids_bytes + padding(trailer.num_ids);
    const auto num_offsets = static_cast<std::size_t>(trailer.num_texts) + 1;
    if (offsets_begin + num_offsets * sizeof(std::int64_t) != body) return false;
    ids_ = {reinterpret_cast<const std::int32_t*>(bytes.data()),
            static_cast<std::size_t>(trailer.num_ids)};
    offsets_ = {reinterpret_cast<const std::int64_t*>(bytes.data() + offsets_begin), num_offsets};
    const auto is_id = [&](std::int32_t id) { return id >= 0 && id < vocabulary_size; };
    return crc32c(bytes_of(bytes.first(offsets_begin))) == trailer.ids_sum &&
           crc32c(bytes_of(offsets_)) == trailer.offsets_sum &&
           std::all_of(ids_.begin(), ids_.end(), is_id) && offsets_.front() == 0 &&
           offsets_.back() == trailer.num_ids && std::is_sorted(offsets_.begin(), offsets_.end());
  };
  if (!is_good()) {
    ids_ = {};
    offsets_ = {};
    log_warning(str_cat(path_, ": damaged or of another version; the texts are tokenised again"));
    return false;
  }
  map_ = std::move(map);
  return true;
}

}  // namespace attune
