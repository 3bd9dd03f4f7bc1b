// Strict JSON: what others may have written is hostile until parsed. Objects keep their insertion
// order (the order of a data set's queries decides the order of training batches). Such an object
// is a vector of members: find(), at(), operator[] and inserting look through all of them, so walk
// over a big one with items() and never look up in it key by key.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace attune {

using Json = nlohmann::ordered_json;

// Parses one JSON value. Refused with ErrorKind::kData and "place:line:column": anything RFC 8259
// does not allow, invalid UTF-8, duplicate keys, nesting deeper than 100, trailing bytes. A UTF-8
// byte order mark at the start is skipped. Lone surrogates in \u escapes, whole numbers beyond 64
// bits and numbers beyond a double are refused. Takes linear time (times a logarithm for the keys).
Json parse_json(std::string_view bytes, const std::string& place);

// Reads and parses a whole file; `.gz` files are decompressed (at most `max_bytes` after that).
Json read_json_file(const std::string& path, std::size_t max_bytes = std::size_t{4} << 30);

// As Python's json.dump(indent=4) writes: ASCII only, no trailing newline. indent -1 is one line
// with Python's ", " and ": " separators. Refused: NaN and infinity (kFailed), invalid UTF-8
// (kData).
std::string dump_json_like_python(const Json& value, int indent = 4);

}  // namespace attune
