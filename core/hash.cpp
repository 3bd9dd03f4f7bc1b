#include "core/hash.h"

#include <array>
#include <cstdint>

#include <nettle/sha2.h>

#include "core/error.h"
#include "core/file.h"

namespace attune {

struct Sha256::State {
  sha256_ctx context;
  bool finished = false;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { sha256_init(&state_->context); }
Sha256::~Sha256() = default;

Sha256& Sha256::update(std::string_view bytes) {
  return update(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

Sha256& Sha256::update(std::span<const std::byte> bytes) {
  ATTUNE_ASSERT(!state_->finished);
  sha256_update(&state_->context, bytes.size(),
                reinterpret_cast<const std::uint8_t*>(bytes.data()));
  return *this;
}

Fingerprint Sha256::hex() {
  ATTUNE_ASSERT(!state_->finished);
  state_->finished = true;
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest;
  sha256_digest(&state_->context, digest.size(), digest.data());
  Fingerprint out;
  for (const std::uint8_t byte : digest) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

Fingerprint sha256(std::string_view bytes) { return Sha256().update(bytes).hex(); }

Fingerprint sha256_file(const std::string& path) {
  return Sha256().update(MappedFile(path).bytes()).hex();
}

}  // namespace attune
