// Runs the real `attune` on small files, as a shell would.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/json.h"
#include "tests/support/paths.h"

namespace attune::test {

namespace fs = std::filesystem;

inline const std::string kTinyModel = source_path("tests/fixtures/tiny_bert");

inline std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void spit(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

struct Outcome {
  int code = -1;  // exit code, or 128 + signal
  std::string out, err;
  Json last_line() const {
    std::istringstream lines(out);
    std::string line, last;
    while (std::getline(lines, line)) last = line;
    return parse_json(last, "stdout");
  }
};

// A process that was started; wait() once.
class Process {
 public:
  Process(const fs::path& folder, const std::vector<std::string>& arguments,
          const std::string& stdout_path)
      : folder_(folder), out_(stdout_path.empty() ? (folder / "stdout").string() : stdout_path) {
    const std::string program = binary_path("attune");
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const std::string err = (folder_ / "stderr").string();
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int in_fd = ::open("/dev/null", O_RDONLY);
    const int out_fd = ::open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int err_fd = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(in_fd, 0);
    ::dup2(out_fd, 1);
    ::dup2(err_fd, 2);
    ::setenv("OMP_NUM_THREADS", "1", 1);
    ::setenv("ATTUNE_HOME", (folder_ / "home").c_str(), 1);  // the registry of jobs
    if (::chdir(folder_.c_str()) == 0) ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  void send(int signal) const { ::kill(pid_, signal); }
  Outcome wait() const {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    Outcome outcome;
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (!out_.starts_with("/dev/")) outcome.out = slurp(out_);
    outcome.err = slurp(folder_ / "stderr");
    return outcome;
  }

 private:
  fs::path folder_;
  std::string out_;
  pid_t pid_ = -1;
};

// A folder of its own for every test, removed afterwards; the program's working directory.
class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / (std::string("attune_") + info->test_suite_name() + "_" +
                                           info->name() + "_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~ProgramTest() override { fs::remove_all(folder_); }

  Outcome run(const std::vector<std::string>& arguments,
              const std::string& stdout_path = "") const {
    return Process(folder_, arguments, stdout_path).wait();
  }
  Process start(const std::vector<std::string>& arguments) const {
    return {folder_, arguments, ""};
  }

  // queries q0.. with one passage each, out of the tiny model's words.
  std::string write_dataset(const std::string& name, int rows) const {
    Json data;
    for (const char* part : {"queries", "corpus", "relevant_docs"}) data[part] = Json::object();
    for (int i = 0; i < rows; ++i) {
      const std::string number = std::to_string(i);
      data["queries"]["q" + number] = "where is item " + number + " kept?";
      data["corpus"]["d" + number] =
          "item " + number + " is kept in room " + std::to_string(i * 7 % 10) + ".";
      data["relevant_docs"]["q" + number] = {"d" + number};
    }
    data["mode"] = "text";
    spit(folder_ / name, data.dump(2));
    return name;
  }

  // A run that trains in well under a second; `more` is YAML of further sections and keys.
  void write_config(const std::string& name, const std::string& train_keys = "",
                    const std::string& more = "") const {
    spit(folder_ / name,
         "version: 1\nname: tiny\ndevice: cpu\noutput: out\ndata:\n  train: train.json\n"
         "model:\n  base: " +
             kTinyModel + "\ntrain:\n  batch_size: 4\n  epochs: 1\n" + train_keys + more);
  }

  void wait_for(const fs::path& path) const {
    for (int i = 0; i < 1000 && !fs::exists(path); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_TRUE(fs::exists(path)) << path;
  }

  fs::path folder_;
};

}  // namespace attune::test
