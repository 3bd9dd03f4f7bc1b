#include "core/file.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/error.h"

namespace attune {
namespace {

// A path that leads nowhere is the caller's data; anything else is the machine's.
[[noreturn]] void throw_errno(const std::string& path, const char* what, int error) {
  switch (error) {
    case ENOENT:
      throw_error(ErrorKind::kData, path, ": there is no such file");
    case ENOTDIR:
      throw_error(ErrorKind::kData, path, ": there is no such file (a part of the path is a file)");
    case EISDIR:
      throw_error(ErrorKind::kData, path, ": a directory where a file is expected");
    case EACCES:
      throw_error(ErrorKind::kResources, path, ": no permission to read it");
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
      throw_error(ErrorKind::kData, path, ": ", what, ": ", std::generic_category().message(error));
    default:
      throw_error(ErrorKind::kResources, path, ": ", what, ": ",
                  std::generic_category().message(error));
  }
}

struct Descriptor {
  explicit Descriptor(const std::string& path) {
    if (path.find('\0') != std::string::npos)
      throw_error(ErrorKind::kData, "a path with a NUL byte in it: ", path.c_str());
    do value = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    while (value < 0 && errno == EINTR);
    if (value < 0) throw_errno(path, "cannot open", errno);
    if (::fstat(value, &status) != 0) {
      const int error = errno;
      ::close(value);
      throw_errno(path, "cannot open", error);
    }
    if (S_ISDIR(status.st_mode)) {
      ::close(value);
      throw_errno(path, "cannot open", EISDIR);
    }
  }
  ~Descriptor() { ::close(value); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int value = -1;
  struct stat status{};
};

[[noreturn]] void throw_too_large(const std::string& path, std::size_t max_bytes) {
  throw_error(ErrorKind::kData, path, ": larger than the ", max_bytes, " bytes allowed here");
}

struct Inflater {
  Inflater() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream, kGzipOnly) != Z_OK)
      throw_error(ErrorKind::kResources, "not enough memory to decompress");
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream stream{};
};

// Reads every member, as gzip and Python do; zero bytes after the last one are padding.
std::string gunzip(const std::string& path, std::string_view bytes, std::size_t max_bytes) {
  Inflater inflater;
  z_stream& stream = inflater.stream;
  std::string out;
  std::size_t used = 0;
  std::string piece(std::size_t{1} << 18, '\0');
  bool inside = true;  // a member
  while (true) {
    if (stream.avail_in == 0 && used < bytes.size()) {
      const std::size_t step = std::min<std::size_t>(bytes.size() - used, 1u << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + used));
      stream.avail_in = static_cast<uInt>(step);
      used += step;
    }
    if (!inside) {
      while (stream.avail_in > 0 && *stream.next_in == 0) ++stream.next_in, --stream.avail_in;
      if (stream.avail_in == 0) {
        if (used == bytes.size()) return out;
        continue;
      }
      inflateReset(&stream);
      inside = true;
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int state = inflate(&stream, Z_NO_FLUSH);
    const std::size_t made = piece.size() - stream.avail_out;
    if (made > max_bytes - out.size()) throw_too_large(path + " (decompressed)", max_bytes);
    out.append(piece, 0, made);
    if (state == Z_STREAM_END) {
      inside = false;
    } else if (state == Z_BUF_ERROR ||
               (state == Z_OK && made == 0 && stream.avail_in == 0 && used == bytes.size())) {
      throw_error(ErrorKind::kData, path, ": the gzip data ends too early: the file is cut off");
    } else if (state == Z_MEM_ERROR) {
      throw_error(ErrorKind::kResources, path, ": not enough memory to decompress");
    } else if (state != Z_OK) {
      throw_error(ErrorKind::kData, path, ": damaged gzip data",
                  stream.msg ? str_cat(" (", stream.msg, ")") : "");
    }
  }
}

}  // namespace

bool file_exists(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(path, error)) return true;
  const bool is_link = fs::is_symlink(fs::symlink_status(path, error));
  if (is_link)
    throw_error(ErrorKind::kData, path,
                ": a link that leads nowhere; fetch or copy the file again");
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    throw_error(ErrorKind::kData, path, ": cannot be looked at: ", error.message());
  return false;
}

std::string read_file(const std::string& path, std::size_t max_bytes) {
  const Descriptor file(path);
  const auto size = static_cast<std::size_t>(file.status.st_size);
  if (S_ISREG(file.status.st_mode) && size > max_bytes) throw_too_large(path, max_bytes);
  // The size is only a hint: a pipe has none, and a file may grow meanwhile.
  std::string out;
  std::size_t length = 0;
  std::size_t room = size + 1;
  while (true) {
    if (room > max_bytes - length) room = max_bytes - length + 1;  // one more shows an excess
    out.resize(length + room);
    const ssize_t got = ::read(file.value, out.data() + length, room);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw_errno(path, "cannot read", errno);
    }
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
    if (length > max_bytes) throw_too_large(path, max_bytes);
    room = std::max<std::size_t>(out.size() - length, std::size_t{1} << 16);
  }
  out.resize(length);
  return out;
}

std::string read_text_file(const std::string& path, std::size_t max_bytes) {
  std::string bytes = read_file(path, max_bytes);
  const bool has_magic = bytes.starts_with("\x1f\x8b");
  if (!has_magic && !path.ends_with(".gz")) return bytes;
  if (!has_magic)
    throw_error(ErrorKind::kData, path, ": not gzip data, although its name ends in .gz");
  return gunzip(path, bytes, max_bytes);
}

std::size_t find_invalid_utf8(std::string_view bytes) {
  const auto* const begin = reinterpret_cast<const unsigned char*>(bytes.data());
  const std::size_t size = bytes.size();
  const auto continues = [&](std::size_t at) { return at < size && (begin[at] & 0xc0) == 0x80; };
  std::size_t i = 0;
  while (i < size) {
    if (begin[i] < 0x80) {
      std::uint64_t word;
      while (i + sizeof word <= size) {
        std::memcpy(&word, begin + i, sizeof word);
        if (word & 0x8080808080808080u) break;
        i += sizeof word;
      }
      while (i < size && begin[i] < 0x80) ++i;
      continue;
    }
    const unsigned char lead = begin[i];
    if (lead >= 0xc2 && lead <= 0xdf) {
      if (!continues(i + 1)) return i;
      i += 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      if (!continues(i + 1) || !continues(i + 2)) return i;
      if (lead == 0xe0 && begin[i + 1] < 0xa0) return i;  // overlong
      if (lead == 0xed && begin[i + 1] > 0x9f) return i;  // surrogate
      i += 3;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      if (!continues(i + 1) || !continues(i + 2) || !continues(i + 3)) return i;
      if (lead == 0xf0 && begin[i + 1] < 0x90) return i;  // overlong
      if (lead == 0xf4 && begin[i + 1] > 0x8f) return i;  // beyond U+10FFFF
      i += 4;
    } else {
      return i;
    }
  }
  return std::string_view::npos;
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const Descriptor file(path);
  if (!S_ISREG(file.status.st_mode))
    throw_error(ErrorKind::kData, path, ": not a regular file, which is needed for mapping it");
  if (file.status.st_size == 0) return;
  const auto size = static_cast<std::size_t>(file.status.st_size);
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (address == MAP_FAILED) throw_errno(path, "cannot map it into memory", errno);
  data_ = static_cast<const std::byte*>(address);
  size_ = size;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace attune
