#include "data/documents/encoding.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

// Labels that browsers take for a superset (https://encoding.spec.whatwg.org/#names-and-labels),
// and what iconv calls that.
constexpr std::array<std::pair<std::string_view, const char*>, 21> kSupersets = {{
    {"ascii", "CP1252"},      {"us-ascii", "CP1252"},    {"iso-8859-1", "CP1252"},
    {"iso8859-1", "CP1252"},  {"latin1", "CP1252"},      {"l1", "CP1252"},
    {"iso-8859-9", "CP1254"}, {"latin5", "CP1254"},      {"iso-8859-11", "CP874"},
    {"tis-620", "CP874"},     {"gb2312", "GB18030"},     {"gbk", "GB18030"},
    {"x-gbk", "GB18030"},     {"gb_2312-80", "GB18030"}, {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},   {"sjis", "CP932"},         {"x-sjis", "CP932"},
    {"euc-kr", "CP949"},      {"big5", "BIG5-HKSCS"},    {"unicode-1-1-utf-8", "UTF-8"},
}};

// iconv's name: lower case, without the white space around it and without suffixes such as
// //TRANSLIT, which would guess.
std::string iconv_name(std::string_view name) {
  std::string lower;
  for (const char c : name.substr(0, name.find("//")))
    if (!std::isspace(static_cast<unsigned char>(c)))
      lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const auto& [label, superset] : kSupersets)
    if (lower == label) return superset;
  return lower;
}

bool is_utf8(const std::string& name) {
  return name.empty() || name == "utf-8" || name == "UTF-8" || name == "utf8";
}

class Converter {
 public:
  explicit Converter(const std::string& from) : handle_(::iconv_open("UTF-8", from.c_str())) {}
  ~Converter() {
    if (is_open()) ::iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;
  bool is_open() const { return handle_ != reinterpret_cast<iconv_t>(-1); }

  // Appends what `bytes` says, and returns how many of them were text: all, or up to the first bad.
  std::size_t convert(std::string_view bytes, std::string& out) {
    char* from = const_cast<char*>(bytes.data());
    std::size_t left = bytes.size();
    std::array<char, std::size_t{1} << 16> piece;
    for (bool done = false; !done;) {
      char* to = piece.data();
      std::size_t room = piece.size();
      // Without input it writes what a stateful encoding still holds.
      const bool flush = left == 0;
      const std::size_t result = ::iconv(handle_, flush ? nullptr : &from, &left, &to, &room);
      const int error = result == static_cast<std::size_t>(-1) ? errno : 0;
      out.append(piece.data(), static_cast<std::size_t>(to - piece.data()));
      done = (flush && error == 0) || (error != 0 && error != E2BIG);
    }
    return bytes.size() - left;
  }

 private:
  iconv_t handle_;
};

constexpr const char* kRemedy =
    "; convert the file to UTF-8, name its encoding (documents.encoding), or exclude it";

std::string convert(std::string_view bytes, const std::string& from, const std::string& name,
                    const std::string& place, std::size_t mark_bytes) {
  Converter converter(from);
  if (!converter.is_open())
    throw_error(ErrorKind::kData, place, ": this system's iconv does not know the encoding ", name,
                " ('iconv -l' lists those it does; Debian 13 and later: install "
                "libc-gconv-modules-extra)",
                kRemedy);
  std::string text;
  const std::size_t used = converter.convert(bytes, text);
  if (used < bytes.size())
    throw_error(ErrorKind::kData, place, ": byte ", used + mark_bytes, " is not ", name, kRemedy);
  return text;
}

std::string checked_utf8(std::string bytes, const std::string& place, std::size_t mark_bytes) {
  const std::size_t bad = find_invalid_utf8(bytes);
  if (bad != std::string::npos)
    throw_error(ErrorKind::kData, place, ": byte ", bad + mark_bytes, " is not UTF-8", kRemedy);
  return bytes;
}

std::string decode(std::string bytes, const std::string& encoding, const std::string& place) {
  constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";
  if (bytes.starts_with(kUtf8Mark))
    return checked_utf8(bytes.substr(kUtf8Mark.size()), place, kUtf8Mark.size());
  if (bytes.starts_with("\xFF\xFE"))
    return convert(std::string_view(bytes).substr(2), "UTF-16LE", "UTF-16 LE", place, 2);
  if (bytes.starts_with("\xFE\xFF"))
    return convert(std::string_view(bytes).substr(2), "UTF-16BE", "UTF-16 BE", place, 2);
  const std::string from = iconv_name(encoding);
  if (is_utf8(from)) return checked_utf8(std::move(bytes), place, 0);
  return convert(bytes, from, encoding, place, 0);
}

}  // namespace

std::string decode_text(std::string bytes, const std::string& encoding, const std::string& place) {
  std::string text = decode(std::move(bytes), encoding, place);
  const std::size_t nul = text.find('\0');
  if (nul != std::string::npos)
    throw_error(ErrorKind::kData, place, ": character NUL behind ", nul,
                " bytes of text: a binary file, or UTF-16 without a byte order mark", kRemedy);
  return text;
}

bool is_known_encoding(const std::string& name) {
  const std::string from = iconv_name(name);
  return is_utf8(from) || Converter(from).is_open();
}

}  // namespace attune
