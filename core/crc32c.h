// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78, RFC 3720 appendix B.4) of TFRecord files
// and token caches.
#pragma once

#include <cstdint>
#include <string_view>

namespace attune {

// Of bytes in pieces: crc32c(second, crc32c(first)).
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace attune
