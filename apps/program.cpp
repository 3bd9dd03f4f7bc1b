#include "apps/program.h"

#include <climits>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <malloc.h>
#include <signal.h>

#include "apps/alias_command.h"
#include "apps/arguments.h"
#include "apps/bench_command.h"
#include "apps/completion.h"
#include "apps/config_command.h"
#include "apps/failure.h"
#include "apps/group_help.h"
#include "apps/jobs_command.h"
#include "apps/machine_checks.h"
#include "apps/manual_page.h"
#include "apps/messages.h"
#include "apps/recipes_command.h"
#include "apps/report_command.h"
#include "apps/standard_output.h"
#include "core/error.h"
#include "core/log.h"

namespace attune {
namespace {

void prepare_process() {
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
}

bool asks_for_help(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--help" || word == "-h") return true;
  }
  return false;
}

ReadConfig read_for(const Command& command, const Arguments& arguments) {
  ReadConfig read;
  const std::vector<std::string>& given = arguments.positionals();
  if (command.answer == Command::Answer::kLibraryWithConfig) {
    ConfigNotes notes;
    read.config = load_run_config(given[0], std::span(given).subspan(1), &notes);
    for (const std::string& warning : notes.warnings) log_warning(warning);
  } else if (command.answer == Command::Answer::kLibraryWithSweep) {
    read.sweep = plan_sweep(given[0], std::span(given).subspan(1));
    for (const std::string& warning : read.sweep.warnings) log_warning(warning);
  } else if (command.answer == Command::Answer::kLibraryWithDoctor) {
    check_machine(arguments.value("--output", "runs"), read.doctor);
  }
  return read;
}

// A library that cannot be loaded is one of the doctor's findings.
int ask_doctor(const ReadConfig& read, const Arguments& arguments, int argc, char** argv,
               LibraryMain (*library)()) {
  LibraryMain entry = nullptr;
  try {
    entry = library();
  } catch (const Error& error) {
    DoctorReport report = read.doctor;
    report.failed("LibTorch", error.what(), "build or install attune again (scripts/setup)");
    return tell_report(report, arguments.has("--json"));
  }
  return entry(argc, argv, &read);
}

int dispatch(int argc, char** argv, LibraryMain (*library)()) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) throw_error(ErrorKind::kConfig, "no command is given\n\n", overview());
  if (words[0] == "--help" || words[0] == "-h") words[0] = "help";
  if (words[0] == "--version") words[0] = "version";
  if (const std::string help = group_help(words); !help.empty()) {
    write_stdout(help);
    return 0;
  }
  const Command& command = find_command(words);
  const std::string& name = command.name;
  const std::vector<std::string> rest(words.begin() + command.words(), words.end());
  if (asks_for_help(rest)) {
    write_stdout(command_help(command));
    return 0;
  }
  const Arguments arguments(command, rest);
  set_messages(arguments);
  if (name == "help") {
    write_stdout(rest.empty() ? overview() : command_help(find_command(arguments.positionals())));
  } else if (name == "version") {
    write_stdout("attune " ATTUNE_VERSION "\n");
  } else if (name == "config") {
    config_command(arguments);
  } else if (name == "recipes") {
    recipes_command(arguments);
  } else if (name == "completion") {
    write_stdout(completion(arguments.positionals()[0]));
  } else if (name == "man") {
    write_stdout(manual_page(ATTUNE_VERSION));
  } else if (name == "bench") {
    bench_command(arguments);
  } else if (name.starts_with("jobs ")) {
    jobs_command(name.substr(5), arguments);
  } else if (name.starts_with("alias ") && command.answer == Command::Answer::kProgram) {
    alias_command(name.substr(6), arguments);
  } else if (name == "report") {
    report_command(arguments);
  } else {
    const ReadConfig read = read_for(command, arguments);
    prepare_process();
    if (name == "doctor") return ask_doctor(read, arguments, argc, argv, library);
    return library()(argc, argv, &read);
  }
  return 0;
}

bool wants_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string(argv[i]) == "--json") return true;
  return false;
}

}  // namespace

int program_main(int argc, char** argv, LibraryMain (*library)()) {
  ::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write(), with an exit code of its own
  ::signal(SIGXFSZ, SIG_IGN);  // so is a file that grows over the limit
  try {
    return dispatch(argc, argv, library);
  } catch (...) {
    return report_failure(describe_failure(std::current_exception()), wants_json(argc, argv));
  }
}

}  // namespace attune
