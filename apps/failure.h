// From an exception to a message and an exit code: the one place (docs/errors.md).
#pragma once

#include <exception>
#include <string>

namespace attune {

struct Failure {
  std::string message;
  int exit_code = 1;
};

Failure describe_failure(const std::exception_ptr& error);

// Says it on stderr, and with `json` as {"status": "failed", "error": ...} on stdout; returns the
// code.
int report_failure(const Failure& failure, bool json);

}  // namespace attune
