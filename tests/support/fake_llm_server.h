// Starts tests/oracles/fake_llm_server.py with a plan, and reads what it was asked.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/file.h"
#include "core/json.h"
#include "tests/core/scratch.h"
#include "tests/support/paths.h"

namespace attune {

class FakeLlmServer {
 public:
  explicit FakeLlmServer(const std::string& plan, const std::string& certificate = "")
      : is_tls_(!certificate.empty()) {
    ::setenv("no_proxy", "*", 1);
    write_file_durably(scratch_ / "plan.json", plan);
    std::vector<std::string> words = {"python3", source_path("tests/oracles/fake_llm_server.py"),
                                      "--plan",  scratch_ / "plan.json",
                                      "--log",   scratch_ / "log.jsonl"};
    if (is_tls_) words.insert(words.end(), {"--tls", certificate});
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    int to[2], from[2];
    if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, to[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, from[1], 1);
    if (::posix_spawnp(&process_, "python3", &actions, nullptr, arguments.data(), environ) != 0)
      std::abort();
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(to[0]);
    ::close(from[1]);
    stdin_ = to[1];
    for (char c; ::read(from[0], &c, 1) == 1 && c != '\n';) port_ += c;
    ::close(from[0]);
    EXPECT_FALSE(port_.empty()) << "the fake server did not start";
  }
  ~FakeLlmServer() {
    ::close(stdin_);  // it ends with its stdin
    ::waitpid(process_, nullptr, 0);
  }
  FakeLlmServer(const FakeLlmServer&) = delete;
  FakeLlmServer& operator=(const FakeLlmServer&) = delete;

  std::string url() const { return (is_tls_ ? "https" : "http") + ("://127.0.0.1:" + port_); }
  std::vector<Json> asked() const {
    std::vector<Json> out;
    std::string_view rest = log_ =
        file_exists(scratch_ / "log.jsonl") ? read_file(scratch_ / "log.jsonl") : std::string();
    for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos;
         rest.remove_prefix(end + 1))
      out.push_back(parse_json(rest.substr(0, end), "log"));
    return out;
  }

 private:
  Scratch scratch_;
  bool is_tls_;
  std::string port_;
  pid_t process_ = -1;
  int stdin_ = -1;
  mutable std::string log_;
};

}  // namespace attune
