#include "core/postgres_place.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

constexpr const char* kDefaultSchema = "attune_index";
constexpr std::size_t kLongestName = 63;  // bytes; PostgreSQL cuts longer ones without a word

}  // namespace

bool PostgresPlace::is_one(std::string_view place) {
  return place.starts_with("postgresql://") || place.starts_with("postgres://");
}

PostgresPlace PostgresPlace::parse(const std::string& place) {
  const std::size_t begin = place.find("://") + 3;
  const std::size_t hash = std::min(place.find('#'), place.size());
  // As libpq reads it: user and password stand before the first /, whatever they hold.
  const std::string authority = place.substr(begin, place.find('/', begin) - begin);
  const std::size_t at = authority.rfind('@');
  if (at != std::string::npos && hash < begin + at)
    throw_error(ErrorKind::kConfig, place.substr(0, begin),
                "...: a # stands before the @; in a user's name or a password write it as %23");
  PostgresPlace parsed{place.substr(0, hash), place.substr(0, begin), kDefaultSchema};
  std::size_t rest = begin;
  if (at != std::string::npos) {
    parsed.shown += authority.substr(0, std::min(authority.find(':'), at)) + "@";
    rest = begin + at + 1;
  }
  const std::size_t question = std::min(place.find('?', rest), hash);
  parsed.shown += place.substr(rest, question - rest);
  char separator = '?';
  for (std::size_t i = question; i < hash;) {
    const std::size_t next = std::min(place.find('&', i + 1), hash);
    const std::string option = place.substr(i + 1, next - i - 1);
    const std::string key = option.substr(0, option.find('='));
    // Who writes a key in percents may hide the same word.
    if (key != "password" && key != "sslpassword" && key.find('%') == std::string::npos)
      parsed.shown += std::exchange(separator, '&') + option;
    i = next;
  }
  parsed.shown += place.substr(hash);
  if (hash == place.size()) return parsed;
  parsed.schema = place.substr(hash + 1);
  const std::string& name = parsed.schema;
  if (name.empty() || name.size() > kLongestName || name.find('\0') != std::string::npos ||
      find_invalid_utf8(name) != std::string::npos || name.starts_with("pg_"))
    throw_error(ErrorKind::kConfig, parsed.shown, ": the name of an index is what follows #: 1 to ",
                kLongestName, " bytes of UTF-8 that do not begin with 'pg_'");
  return parsed;
}

}  // namespace attune
