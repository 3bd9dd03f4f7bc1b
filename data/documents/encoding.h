// The text of a file as UTF-8, from the encoding that the file or the configuration names. Never a
// guess: bytes that are not text in that encoding are refused.
#pragma once

#include <string>

namespace attune {

// `bytes` as UTF-8 without byte order mark. A byte order mark (UTF-8, UTF-16 LE or BE) decides;
// without one, `encoding` (a name that the system's iconv or the web's pages know; empty: UTF-8).
// Names are read as browsers read them: iso-8859-1 stands for windows-1252, gb2312 for gb18030.
// Refused with ErrorKind::kData and `place`: bytes that are no text in that encoding (with the
// offset of the first), NUL characters (a binary file, or UTF-16 without a mark); an unknown
// encoding.
std::string decode_text(std::string bytes, const std::string& encoding, const std::string& place);

// Whether decode_text() knows this name.
bool is_known_encoding(const std::string& name);

}  // namespace attune
