// The program: parses the arguments, answers what needs no model, and hands everything else to
// libattune, which stands beside it. It does not link torch, whose loading takes 200 to 600 ms.
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <malloc.h>
#include <signal.h>

#include "apps/arguments.h"
#include "apps/bench_command.h"
#include "apps/config_command.h"
#include "apps/failure.h"
#include "apps/standard_output.h"
#include "core/error.h"
#include "pipeline/run_config.h"

namespace attune {
namespace {

constexpr const char* kLibrary = "libattune.so";
using LibraryMain = int (*)(int, char**, const RunConfig*);

LibraryMain load_library() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) throw_error(ErrorKind::kResources, "/proc/self/exe: ", error.message());
  const std::string path = (program.parent_path() / kLibrary).string();
  if (!std::filesystem::exists(path, error))
    throw_error(ErrorKind::kResources, path,
                " is missing: the program and its library stand in one folder; "
                "build or install attune again");
  // OpenMP's threads otherwise spin at every barrier, which on a machine that is busy with other
  // work costs a time slice each: steps of a small model took 0.54 s instead of 0.005 s.
  ::setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
  // oneDNN keeps a compiled product for each shape it has seen, up to 1,024 of about 2.5 MB, and
  // packed batches differ in length every time. A step needs twelve.
  ::setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64", /*overwrite=*/0);
  // A step frees and asks again for the same hundreds of megabytes. Left to itself, malloc gives
  // each large block back to the system, and a twentieth of the step is spent in page faults.
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, INT_MAX);
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw_error(ErrorKind::kResources, "cannot load ", kLibrary, ": ", ::dlerror());
  void* entry = ::dlsym(library, "attune_main");
  if (entry == nullptr)
    throw_error(ErrorKind::kResources, path, " is not of this version of attune: ", ::dlerror());
  return reinterpret_cast<LibraryMain>(entry);
}

bool asks_for_help(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--help" || word == "-h") return true;
  }
  return false;
}

int dispatch(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) throw_error(ErrorKind::kConfig, "no command is given\n\n", overview());
  std::string name = words[0];
  if (name == "--help" || name == "-h") name = "help";
  if (name == "--version") name = "version";
  const Command& command = find_command(name);
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (asks_for_help(rest)) {
    write_stdout(command_help(command));
    return 0;
  }
  const Arguments arguments(command, rest);
  if (name == "help") {
    write_stdout(rest.empty() ? overview()
                              : command_help(find_command(arguments.positionals()[0])));
  } else if (name == "version") {
    write_stdout("attune " ATTUNE_VERSION "\n");
  } else if (name == "config") {
    config_command(arguments);
  } else if (name == "bench") {
    bench_command(arguments);
  } else {
    RunConfig config;
    if (command.answer == Command::Answer::kLibraryWithConfig) {
      const std::vector<std::string>& given = arguments.positionals();
      config = load_run_config(given[0], std::vector<std::string>(given.begin() + 1, given.end()));
    }
    return load_library()(argc, argv, &config);
  }
  return 0;
}

bool wants_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string(argv[i]) == "--json") return true;
  return false;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write(), with an exit code of its own
  ::signal(SIGXFSZ, SIG_IGN);  // so is a file that grows over the limit
  try {
    return attune::dispatch(argc, argv);
  } catch (...) {
    return attune::report_failure(attune::describe_failure(std::current_exception()),
                                  attune::wants_json(argc, argv));
  }
}
