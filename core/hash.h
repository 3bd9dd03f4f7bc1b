// SHA-256 (through nettle) for fingerprints of models, data sets and configurations.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace attune {

using Fingerprint = std::string;  // 64 lower-case hexadecimal digits

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  Sha256& update(std::string_view bytes);
  Sha256& update(std::span<const std::byte> bytes);
  Fingerprint hex();  // finishes; call once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Fingerprint sha256(std::string_view bytes);
Fingerprint sha256_file(const std::string& path);

}  // namespace attune
