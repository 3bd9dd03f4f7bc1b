#include "models/zip_directory.h"

#include <algorithm>

#include "core/error.h"

namespace attune {
namespace {

constexpr std::uint64_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50,
                        kEntry = 0x02014b50;
constexpr std::uint64_t kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20, kEntryBytes = 46;
constexpr std::uint64_t kIn64Bits = 0xffffffff;  // of a size: it stands in an extra field

class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t size() const { return bytes_.size(); }
  Bytes part(std::uint64_t begin, std::uint64_t count) const {
    if (begin > size() || count > size() - begin)
      throw_error(ErrorKind::kData, "not a whole zip archive: its directory leaves the file");
    return Bytes(bytes_.subspan(begin, count));
  }
  // Little-endian.
  std::uint64_t number(std::uint64_t begin, int bytes) const {
    const Bytes of = part(begin, bytes);
    std::uint64_t value = 0;
    for (int i = bytes; i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(of.bytes_[i]);
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
};

struct Directory {
  std::uint64_t entries, bytes, begin;
};

Directory find_directory(const Bytes& archive) {
  if (archive.size() < kEndBytes || archive.number(archive.size() - kEndBytes, 4) != kEnd)
    throw_error(ErrorKind::kData, "not a zip archive as torch.save writes it, or cut");
  const std::uint64_t end = archive.size() - kEndBytes;
  if (end >= kLocator64Bytes && archive.number(end - kLocator64Bytes, 4) == kLocator64) {
    const Bytes end64 = archive.part(archive.number(end - kLocator64Bytes + 8, 8), kEnd64Bytes);
    if (end64.number(0, 4) != kEnd64)
      throw_error(ErrorKind::kData, "not a whole zip archive: its 64-bit directory is missing");
    return {end64.number(32, 8), end64.number(40, 8), end64.number(48, 8)};
  }
  return {archive.number(end + 10, 2), archive.number(end + 12, 4), archive.number(end + 16, 4)};
}

std::uint64_t size_in_64_bits(const Bytes& extra) {
  for (std::uint64_t at = 0; at < extra.size(); at += 4 + extra.number(at + 2, 2))
    if (extra.number(at, 2) == 1) return extra.number(at + 4, 8);
  return kIn64Bits;
}

}  // namespace

std::uint64_t largest_record(std::span<const std::byte> archive) {
  const Bytes whole(archive);
  const Directory found = find_directory(whole);
  const Bytes directory = whole.part(found.begin, found.bytes);
  std::uint64_t largest = 0, at = 0;
  for (std::uint64_t i = 0; i < found.entries; ++i) {
    const Bytes entry = directory.part(at, kEntryBytes);
    if (entry.number(0, 4) != kEntry)
      throw_error(ErrorKind::kData, "not a whole zip archive: entry ", i,
                  " of its directory is damaged");
    const std::uint64_t name = entry.number(28, 2), extra = entry.number(30, 2);
    std::uint64_t size = entry.number(24, 4);
    if (size == kIn64Bits) size = size_in_64_bits(directory.part(at + kEntryBytes + name, extra));
    largest = std::max(largest, size);
    at += kEntryBytes + name + extra + entry.number(32, 2);
  }
  return largest;
}

}  // namespace attune
