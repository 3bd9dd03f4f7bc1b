#include "apps/failure.h"

#include <filesystem>
#include <new>
#include <system_error>

#include "apps/standard_output.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"

namespace attune {

Failure describe_failure(const std::exception_ptr& error) {
  constexpr int kResources = static_cast<int>(ErrorKind::kResources);
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    // A signal's own exit code (130, 143) is known to its handler: library_main.cpp.
    return {e.what(), e.kind() == ErrorKind::kInterrupted ? 130 : static_cast<int>(e.kind())};
  } catch (const InternalError& e) {
    return {str_cat("a bug in attune, please report it: ", e.what()), 1};
  } catch (const std::bad_alloc&) {
    return {
        "out of memory; a smaller train.batch_size, train.chunk_tokens or --batch-tokens needs "
        "less",
        kResources};
  } catch (const std::system_error& e) {  // the file system's errors among them
    return {e.what(), kResources};
  } catch (const std::exception& e) {
    return {e.what(), 1};
  } catch (...) {
    return {"a bug in attune, please report it: an unknown exception", 1};
  }
}

int report_failure(const Failure& failure, bool json) {
  log_error(failure.message);
  if (json) {
    try {
      const Json answer = {
          {"status", "failed"}, {"error", failure.message}, {"exit_code", failure.exit_code}};
      // A message may quote bytes that are not UTF-8.
      write_stdout(answer.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n");
    } catch (const std::exception& error) {
      log_error(error.what());
    }
  }
  return failure.exit_code;
}

}  // namespace attune
