#include "apps/library_main.h"

#include <functional>
#include <map>

#include <c10/util/Exception.h>

#include "apps/arguments.h"
#include "apps/failure.h"
#include "apps/messages.h"
#include "apps/resume_command.h"
#include "apps/stop_signal.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "models/device.h"

namespace attune {
namespace {

using Verb = void (*)(const Arguments&, const RunConfig&);

const std::map<std::string, Verb> kVerbs = {
    {"alias set", alias_set_command},
    {"data check", data_check_command},
    {"data convert", data_convert_command},
    {"data head", data_head_command},
    {"data mine", data_mine_command},
    {"data split", data_split_command},
    {"data stats", data_stats_command},
    {"embed", embed_command},
    {"evaluate", evaluate_command},
    {"export", export_command},
    {"generate", generate_command},
    {"index add", index_add_command},
    {"index build", index_build_command},
    {"index search", index_search_command},
    {"index verify", index_verify_command},
    {"inspect", inspect_command},
    {"run", run_command},
    {"tokenize", tokenize_command},
    {"train", train_command},
};

// Torch's errors in our kinds; its message without the C++ backtrace.
[[noreturn]] void rethrow_torch_error(const c10::Error& error) {
  const std::string message = error.what_without_backtrace();
  const bool is_memory = is_out_of_memory(error);
  throw Error(is_memory ? ErrorKind::kResources : ErrorKind::kFailed,
              (is_memory ? "out of memory: " : "LibTorch: ") + message);
}

Failure failure_of_current_exception(int argc, const char* const* argv) {
  try {
    throw;
  } catch (const c10::Error& error) {
    try {
      rethrow_torch_error(error);
    } catch (...) {
      return describe_failure(std::current_exception());
    }
  } catch (const Error& error) {
    Failure failure = describe_failure(std::current_exception());
    if (error.kind() == ErrorKind::kInterrupted) {
      failure.exit_code = stop_exit_code();
      failure.message += "; to go on: " + resume_command(argc, argv);
    }
    return failure;
  } catch (...) {
    return describe_failure(std::current_exception());
  }
}

}  // namespace
}  // namespace attune

extern "C" int attune_main(int argc, char** argv, const attune::ReadConfig* read) {
  using namespace attune;
  bool json = false;
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const Command& command = find_command(words);
    const Arguments arguments(command, {words.begin() + command.words(), words.end()});
    json = arguments.has("--json");
    set_messages(arguments);
    if (command.name == "sweep")
      sweep_command(arguments, read->sweep);
    else if (command.name == "doctor")
      return doctor_command(arguments, read->doctor);
    else
      kVerbs.at(command.name)(arguments, read->config);
    return 0;
  } catch (...) {
    return report_failure(failure_of_current_exception(argc, argv), json);
  }
}
