#include "core/durable.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "tests/core/scratch.h"
#include "tests/support/durable_hook.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using Operation = DurableOperation;

std::optional<Error> error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

// One thing that can be written, its old and its new state.
struct Job {
  std::string name;
  std::function<void(const Scratch&)> write_old, write_new;
  bool exchange_is_supported = true;
};

void write_directory(const std::string& path, const std::string& contents) {
  DurableDirectory out(path);
  out.write("config.json", contents);
  out.write_pieces("deep/er/weights", [&](const auto& piece) {
    for (int i = 0; i < 3; ++i) piece(contents + std::to_string(i));
  });
  out.commit();
}

std::vector<Job> jobs() {
  const auto file = [](const std::string& contents) {
    return [contents](const Scratch& s) { write_file_durably(s / "a/target", contents); };
  };
  const auto directory = [](const std::string& contents) {
    return [contents](const Scratch& s) { write_directory(s / "a/target", contents); };
  };
  const auto nothing = [](const Scratch&) {};
  std::vector<Job> out = {{"new file", nothing, file("new")},
                          {"file over file", file("old"), file("new")},
                          {"new directory", nothing, directory("new")},
                          {"directory over directory", directory("old"), directory("new")}};
  out.push_back({"file over file, no exchange", file("old"), file("new"), false});
  out.push_back(
      {"directory over directory, no exchange", directory("old"), directory("new"), false});
  return out;
}

// Everything below a/ with its contents: what a reader sees.
std::string state(const Scratch& scratch) {
  std::string out;
  if (!fs::exists(scratch / "a")) return out;
  for (const std::string& name : scratch.names()) {
    if (name == "a") continue;
    const std::string path = scratch / name;
    out += name + (fs::is_directory(path) ? "/" : "=" + read_file(path)) + ";";
  }
  return out;
}

// As state() after a job without any fault.
std::string state_after(const std::function<void(const Scratch&)>& write) {
  const Scratch scratch;
  write(scratch);
  return state(scratch);
}

// Lets an exchange of names fail as on a file system without it: the first rename of a replacement.
class Faults {
 public:
  explicit Faults(const Job& job) : refuse_exchange_(!job.exchange_is_supported) {}
  // EINVAL for that rename, -1 where nothing is to be done.
  int exchange(Operation operation) {
    if (operation != Operation::kRename || !refuse_exchange_) return -1;
    refuse_exchange_ = false;
    return EINVAL;
  }

 private:
  bool refuse_exchange_;
};

TEST(Durable, AnyOneOperationMayFail) {
  set_log_level(LogLevel::kError);  // a leftover is told as a warning
  for (const Job& job : jobs()) {
    const std::string new_state = state_after(job.write_new);
    for (const int code : {ENOSPC, EIO, EROFS, EDQUOT, EACCES}) {
      int failed = 0;
      for (int n = 0;; ++n) {
        SCOPED_TRACE(job.name + ", operation " + std::to_string(n) + " fails with " +
                     std::generic_category().message(code));
        const Scratch scratch;
        job.write_old(scratch);
        const std::string old_state = state(scratch);
        int count = 0;
        Operation hit{};
        Faults faults(job);
        std::optional<Error> error;
        {
          const Hook hook([&](Operation operation, const std::string&) {
            if (const int no = faults.exchange(operation); no >= 0) return no;
            if (count++ != n) return 0;
            hit = operation;
            return code;
          });
          error = error_of([&] { job.write_new(scratch); });
        }
        if (count <= n) {  // beyond the last operation
          EXPECT_FALSE(error);
          EXPECT_EQ(state(scratch), new_state);
          break;
        }
        ++failed;
        if (hit == Operation::kRemove) {
          // Only the old copy is left over; what was asked for is done and on disk.
          EXPECT_FALSE(error);
          EXPECT_NE(state(scratch).find(";a/target"), std::string::npos);
          continue;
        }
        ASSERT_TRUE(error);
        EXPECT_EQ(error->kind(), ErrorKind::kResources);
        EXPECT_NE(std::string(error->what()).find(std::generic_category().message(code)),
                  std::string::npos)
            << error->what();
        EXPECT_NE(std::string(error->what()).find(scratch.path()), std::string::npos);
        const bool is_replaced_file =
            job.name == "file over file, no exchange" && hit == Operation::kSyncDirectory;
        EXPECT_EQ(state(scratch), is_replaced_file ? new_state : old_state) << error->what();
      }
      EXPECT_GE(failed, 4) << job.name;
    }
  }
  set_log_level(LogLevel::kInfo);
}

TEST(Durable, EverythingFromOneOperationOnMayFail) {
  for (const Job& job : jobs()) {
    const std::string new_state = state_after(job.write_new);
    for (int n = 0;; ++n) {
      SCOPED_TRACE(job.name + ", operations from " + std::to_string(n));
      const Scratch scratch;
      job.write_old(scratch);
      const std::string old_state = state(scratch);
      int count = 0;
      Faults faults(job);
      {
        const Hook hook([&](Operation operation, const std::string&) {
          if (const int no = faults.exchange(operation); no >= 0) return no;
          // A full disk still lets names be removed and changed.
          if (operation == Operation::kRemove || operation == Operation::kRename) return 0;
          return count++ >= n ? ENOSPC : 0;
        });
        const auto error = error_of([&] { job.write_new(scratch); });
        EXPECT_EQ(error.has_value(), count > n);
      }
      if (count <= n) break;
      EXPECT_TRUE(state(scratch) == old_state ||
                  (job.name == "file over file, no exchange" && state(scratch) == new_state));
    }
  }
}

TEST(Durable, AHookThatThrowsLeavesTheOldState) {
  for (const Job& job : jobs()) {
    for (int n = 0;; ++n) {
      const Scratch scratch;
      job.write_old(scratch);
      const std::string old_state = state(scratch);
      int count = 0;
      Operation hit{};
      bool thrown = false;
      Faults faults(job);
      {
        const Hook hook([&](Operation operation, const std::string&) -> int {
          if (const int no = faults.exchange(operation); no >= 0) return no;
          if (count++ != n) return 0;
          hit = operation;
          throw std::string("from the hook");
        });
        try {
          job.write_new(scratch);
        } catch (const std::string&) {
          thrown = true;
        }
      }
      if (count <= n) break;
      EXPECT_TRUE(thrown);
      if (hit == Operation::kRemove || job.name == "file over file, no exchange") continue;
      EXPECT_EQ(state(scratch), old_state) << job.name << " " << n;
    }
  }
}

TEST(Durable, AKillBeforeAnyOperationLeavesTheOldOrTheNewState) {
  for (const Job& job : jobs()) {
    const std::string new_state = state_after(job.write_new);
    bool saw_old = false, saw_new = false;
    for (int n = 0;; ++n) {
      SCOPED_TRACE(job.name + ", killed before operation " + std::to_string(n));
      const Scratch scratch;
      job.write_old(scratch);
      const std::string old_state = state(scratch);
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        int count = 0;
        Faults faults(job);
        set_durable_hook([&](Operation operation, const std::string&) {
          if (const int no = faults.exchange(operation); no >= 0) return no;
          if (count++ == n) ::_exit(9);
          return 0;
        });
        job.write_new(scratch);
        ::_exit(0);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFEXITED(status));
      remove_stale_temporaries(scratch / "a/target");
      const std::string now = state(scratch);
      EXPECT_TRUE(now == old_state || now == new_state) << now;
      saw_old = saw_old || now == old_state;
      saw_new = saw_new || now == new_state;
      if (WEXITSTATUS(status) == 0) {
        EXPECT_EQ(now, new_state);
        EXPECT_GT(n, 4);
        break;
      }
      ASSERT_EQ(WEXITSTATUS(status), 9);
    }
    EXPECT_TRUE(saw_old && saw_new) << job.name;
  }
}

TEST(Durable, TheHookSeesTheOrderOfTheHeader) {
  const Scratch scratch;
  std::vector<Operation> seen;
  const Hook hook([&](Operation operation, const std::string&) {
    seen.push_back(operation);
    return 0;
  });
  write_file_durably(scratch / "f", "1");
  const std::vector<Operation> fresh = {Operation::kCreate, Operation::kWrite, Operation::kSync,
                                        Operation::kRename, Operation::kSyncDirectory};
  EXPECT_EQ(seen, fresh);
  seen.clear();
  write_directory(scratch / "d", "1");
  EXPECT_EQ(seen.front(), Operation::kMakeDirectory);
  EXPECT_EQ(seen[seen.size() - 2], Operation::kRename);
  EXPECT_EQ(seen.back(), Operation::kSyncDirectory);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), Operation::kSync), 2);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), Operation::kSyncDirectory), 1 + 3);
}

TEST(Durable, AnInterruptedWriteGoesOn) {
  const Scratch scratch;
  int interruptions = 0;
  const Hook hook([&](Operation operation, const std::string&) {
    return operation == Operation::kWrite && interruptions++ < 3 ? EINTR : 0;
  });
  write_file_durably(scratch / "f", "contents");
  EXPECT_EQ(read_file(scratch / "f"), "contents");
  EXPECT_EQ(interruptions, 4);
}

// A limit on the size of files makes the system write less than asked for, and then fail.
TEST(Durable, AShortWriteThatCannotGoOnLeavesTheOldState) {
  const Scratch scratch;
  write_file_durably(scratch / "f", "old");
  write_file_durably(scratch / "lines", "");
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{100, 100};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto first = error_of([&] { write_file_durably(scratch / "f", std::string(1000, 'x')); });
    AppendFile lines(scratch / "lines");
    lines.append_line(std::string(59, 'a'));
    const auto second = error_of([&] { lines.append_line(std::string(59, 'b')); });
    lines.append_line("c");
    ::_exit(first && second ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(scratch / "f"), "old");
  EXPECT_EQ(read_file(scratch / "lines"), std::string(59, 'a') + "\nc\n");
  EXPECT_EQ(scratch.names(), (std::set<std::string>{"f", "lines"}));
}

TEST(Durable, WritesOverWhatIsThereAndMakesParents) {
  const Scratch scratch;
  const std::string big(20'000'000, 'b');
  write_file_durably(scratch / "x/y/z", "1");
  write_file_durably(scratch / "x/y/z", big);
  EXPECT_EQ(read_file(scratch / "x/y/z"), big);
  write_file_durably(scratch / "x/y/z", "");
  EXPECT_EQ(read_file(scratch / "x/y/z"), "");
  write_directory(scratch / "d/", "1");
  {
    DurableDirectory out(scratch / "d");
    out.copy_file(scratch / "x/y/z", "copy");
    out.commit();
  }
  EXPECT_EQ(scratch.names(), (std::set<std::string>{"x", "x/y", "x/y/z", "d", "d/copy"}));
}

TEST(Durable, ADirectoryThatIsNotCommittedIsNotThere) {
  const Scratch scratch;
  {
    DurableDirectory(scratch / "d").write("a/b", "1");
  }
  EXPECT_TRUE(scratch.names().empty());
}

TEST(Durable, RefusesWhatItCannotDoRightly) {
  const Scratch scratch;
  write_file_durably(scratch / "file", "1");
  fs::create_directory(scratch / "folder");
  const auto kind = [](const std::function<void()>& call) {
    const auto error = error_of(call);
    return error ? std::optional(error->kind()) : std::nullopt;
  };
  EXPECT_EQ(kind([&] { write_file_durably(scratch / "folder", "1"); }), ErrorKind::kResources);
  EXPECT_EQ(kind([&] { DurableDirectory out(scratch / "file"); }), ErrorKind::kResources);
  EXPECT_EQ(kind([&] { write_file_durably(scratch / "file/below", "1"); }), ErrorKind::kResources);
  EXPECT_EQ(kind([&] { write_file_durably(scratch / std::string(300, 'x'), "1"); }),
            ErrorKind::kResources);
  for (const std::string& path :
       {std::string(), std::string("/"), scratch / "..", scratch / ".", std::string("a\0b", 3)})
    EXPECT_EQ(kind([&] { write_file_durably(path, "1"); }), ErrorKind::kResources) << path;
  DurableDirectory out(scratch / "d");
  for (const std::string& name :
       {std::string(), std::string("/etc/x"), std::string("../x"), std::string("a/../../x"),
        std::string("a/"), std::string("."), std::string("a/."), std::string("a\0b", 3)})
    EXPECT_EQ(kind([&] { out.write(name, "1"); }), ErrorKind::kResources) << name;
  out.write("twice", "1");
  EXPECT_EQ(kind([&] { out.write("twice", "2"); }), ErrorKind::kResources);
  EXPECT_EQ(kind([&] { out.copy_file(scratch / "none", "x"); }), ErrorKind::kData);
}

TEST(Durable, AMissingPermissionIsNamed) {
  const Scratch scratch;
  fs::create_directory(scratch / "locked");
  ::chmod((scratch / "locked").c_str(), 0555);
  ::chmod(scratch.path().c_str(), 0755);
  const NotRoot somebody;
  const auto error = error_of([&] { write_file_durably(scratch / "locked/f", "1"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->what(), scratch / "locked/f" + ": cannot create: Permission denied");
}

TEST(Durable, OnlyLeftoversOfProcessesThatAreGoneAreSwept) {
  const Scratch scratch;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  const std::string gone = std::to_string(child), alive = std::to_string(::getpid());
  const std::vector<std::string> stay = {
      ".f.tmp-" + alive + "-0", ".f.tmp-1-7", ".f.tmp-" + gone,         ".f.tmp-" + gone + "-x",
      ".g.tmp-" + gone + "-0",  ".f.tmp-x-0", ".f.tmp--" + gone + "-1", "f"};
  std::set<std::string> expected;
  for (const std::string& name : stay) {
    std::ofstream(scratch / name) << "1";
    expected.insert(name);
  }
  std::ofstream(scratch / ".f.tmp-" + gone + "-3") << "1";
  fs::create_directories(scratch / ".f.tmp-" + gone + "-4/deep");
  std::ofstream(scratch / ".f.old-" + gone + "-5") << "1";
  remove_stale_temporaries(scratch / "f");
  EXPECT_EQ(scratch.names(), expected);
  remove_stale_temporaries(scratch / "no/such/folder/f");
}

TEST(Durable, LeftoversAreSweptAllTheWayDownAndByTheNextWrite) {
  const Scratch scratch;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  const std::string mark = ".tmp-" + std::to_string(child) + "-0";
  const std::string alive = ".y.tmp-" + std::to_string(::getpid()) + "-0";
  fs::create_directories(scratch / "a/b");
  fs::create_directories(scratch / ("a/.folder" + mark + "/deep"));
  for (const std::string& name :
       {"a/.f" + mark, "a/b/.x.tmp-1" + mark, "a/b/" + alive, ".z" + mark})
    std::ofstream(scratch / name) << "1";
  write_file_durably(scratch / "a/f", "1");
  EXPECT_FALSE(fs::exists(scratch / ("a/.f" + mark)));
  EXPECT_TRUE(fs::exists(scratch / ("a/.folder" + mark)));
  remove_stale_temporaries_below(scratch.path());
  EXPECT_EQ(scratch.names(), (std::set<std::string>{"a", "a/b", "a/f", "a/b/" + alive}));
  remove_stale_temporaries_below(scratch / "nowhere");
}

TEST(Durable, WhatIsRemovedIsGoneWholeOrNotAtAll) {
  for (int n = 0; n < 4; ++n) {
    const Scratch scratch;
    write_directory(scratch / "a/target", "1");
    const std::string before = state(scratch);
    int count = 0;
    {
      const Hook hook([&](Operation, const std::string&) { return count++ == n ? EIO : 0; });
      const auto error = error_of([&] { remove_durably(scratch / "a/target"); });
      EXPECT_EQ(error.has_value(), count > n);
    }
    EXPECT_TRUE(fs::exists(scratch / "a/target") ? state(scratch) == before : n > 0);
  }
  const Scratch scratch;
  write_file_durably(scratch / "f", "1");
  remove_durably(scratch / "f");
  remove_durably(scratch / "f");
  EXPECT_TRUE(scratch.names().empty());
}

TEST(Durable, AShortWriteGoesOn) {
  const Scratch scratch;
  std::vector<Operation> seen;
  const Hook hook([&](Operation operation, const std::string&) {
    seen.push_back(operation);
    return operation == Operation::kWrite ? kWriteHalf : 0;
  });
  write_file_durably(scratch / "f", "contents");
  EXPECT_EQ(read_file(scratch / "f"), "contents");
  EXPECT_EQ(std::count(seen.begin(), seen.end(), Operation::kWrite), 4);  // 4, 2, 1 and 1 bytes
}

TEST(LockFile, OneHoldsItAtATime) {
  const Scratch scratch;
  {
    LockFile first(scratch / "a/lock"), second(scratch / "a/lock");
    EXPECT_TRUE(first.lock(false));
    EXPECT_FALSE(second.lock(false));
  }
  LockFile third(scratch / "a/lock");
  EXPECT_TRUE(third.lock(true));
  EXPECT_TRUE(error_of([&] { LockFile(scratch / "a"); }));
}

TEST(Durable, WhatAKillLeftBetweenTwoRenamesComesBack) {
  const Scratch scratch;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  const std::string gone = std::to_string(child);
  fs::create_directories(scratch / ".d.old-" + gone + "-1");
  std::ofstream(scratch / ".d.old-" + gone + "-1/a") << "old";
  fs::create_directories(scratch / ".d.tmp-" + gone + "-0");
  remove_stale_temporaries(scratch / "d");
  EXPECT_EQ(scratch.names(), (std::set<std::string>{"d", "d/a"}));
}

TEST(AppendFile, AppendsWholeLines) {
  const Scratch scratch;
  {
    AppendFile file(scratch / "logs/m.jsonl");
    file.append_line("{\"a\": 1}");
    file.append_line("");
    file.sync();
    EXPECT_THROW(file.append_line("two\nlines"), InternalError);
  }
  AppendFile(scratch / "logs/m.jsonl").append_line("b");
  EXPECT_EQ(read_file(scratch / "logs/m.jsonl"), "{\"a\": 1}\n\nb\n");
}

TEST(AppendFile, CutsOffTheLineThatAKilledProcessDidNotFinish) {
  const Scratch scratch;
  const std::string torn_tails[] = {"", "x", std::string(4095, 'x'), std::string(4096, 'x'),
                                    std::string(10'000, 'x')};
  for (const std::string& whole : {std::string(), std::string("a\nb\n"), std::string(5000, '\n')}) {
    for (const std::string& torn : torn_tails) {
      std::ofstream(scratch / "f", std::ios::trunc) << whole << torn;
      AppendFile(scratch / "f").append_line("next");
      EXPECT_EQ(read_file(scratch / "f"), whole + "next\n");
    }
  }
}

TEST(AppendFile, AFailedWriteLeavesTheLinesBefore) {
  const Scratch scratch;
  AppendFile file(scratch / "f");
  file.append_line("one");
  {
    const Hook hook([](Operation operation, const std::string&) {
      return operation == Operation::kWrite ? ENOSPC : 0;
    });
    const auto error = error_of([&] { file.append_line("two"); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->what(), scratch / "f" + ": cannot write: No space left on device");
  }
  file.append_line("three");
  EXPECT_EQ(read_file(scratch / "f"), "one\nthree\n");
}

TEST(AppendFile, AfterAFailedSyncNothingIsTriedOnThatDescriptorAgain) {
  const Scratch scratch;
  AppendFile file(scratch / "f");
  file.append_line("one");
  int syncs = 0;
  const Hook hook([&](Operation operation, const std::string&) {
    return operation == Operation::kSync && syncs++ == 0 ? EIO : 0;
  });
  EXPECT_TRUE(error_of([&] { file.sync(); }));
  EXPECT_TRUE(error_of([&] { file.sync(); }));
  EXPECT_TRUE(error_of([&] { file.append_line("two"); }));
  EXPECT_EQ(syncs, 1);
}

TEST(AppendFile, RecordsMayHoldAnythingAndAreBegunAnew) {
  const Scratch scratch;
  {
    AppendFile file(scratch / "events", AppendFile::Contents::kRecords);
    file.append_record(std::string("a\nb\0c", 5));
    const Hook hook([](Operation operation, const std::string&) {
      return operation == Operation::kWrite ? ENOSPC : 0;
    });
    EXPECT_TRUE(error_of([&] { file.append_record("lost"); }));
  }
  EXPECT_EQ(read_file(scratch / "events"), std::string("a\nb\0c", 5));
  EXPECT_TRUE(error_of([&] { AppendFile(scratch / "events", AppendFile::Contents::kRecords); }));
}

TEST(AppendFile, RefusesADirectory) {
  const Scratch scratch;
  EXPECT_TRUE(error_of([&] { AppendFile file(scratch.path()); }));
}

}  // namespace
}  // namespace attune
