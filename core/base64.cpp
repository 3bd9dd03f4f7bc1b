#include "core/base64.h"

#include <cstdint>

#include <nettle/base64.h>

namespace attune {

std::optional<std::string> decode_base64(std::string_view text) {
  base64_decode_ctx context;
  base64_decode_init(&context);
  std::string bytes(BASE64_DECODE_LENGTH(text.size()), '\0');
  std::size_t length = bytes.size();
  if (!base64_decode_update(&context, &length, reinterpret_cast<std::uint8_t*>(bytes.data()),
                            text.size(), text.data()) ||
      !base64_decode_final(&context))
    return std::nullopt;
  bytes.resize(length);
  return bytes;
}

}  // namespace attune
