// Errors of the whole program. A user's mistake throws Error with a kind; the kind decides the exit
// code (docs/errors.md). A message names the place (file:line:column, tensor, key), what was found,
// what was expected and what to do. Broken invariants use ATTUNE_ASSERT.
#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>

namespace attune {

enum class ErrorKind : std::uint8_t {
  kFailed = 1,       // anything else, or a gate that was not met
  kConfig = 2,       // command line or configuration
  kData = 3,         // a data set, document, model directory or other artifact
  kResources = 4,    // memory, disk, device, permissions
  kDiverged = 5,     // non-finite loss or gradient
  kInterrupted = 6,  // SIGINT or SIGTERM; exit code 130 or 143
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// The concatenation of everything given, as `<<` prints it.
template <class... Parts>
std::string str_cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void throw_error(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, str_cat(parts...));
}

// Thrown by ATTUNE_ASSERT: a bug in attune, never a user's mistake.
class InternalError : public std::logic_error {
  using std::logic_error::logic_error;
};

}  // namespace attune

#define ATTUNE_ASSERT(condition)                                                           \
  do {                                                                                     \
    if (!(condition))                                                                      \
      throw ::attune::InternalError(                                                       \
          ::attune::str_cat(__FILE__, ":", __LINE__, ": broken invariant: ", #condition)); \
  } while (false)
