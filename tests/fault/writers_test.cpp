// Each fault at each operation of each writer (tests/fault/writers.h). Afterwards the real reader
// finds the old or the new state, the next start sweeps what is left over, and the work can be done
// again. scripts/fault_table prints how many of which were tried.
#include "tests/fault/writers.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <set>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/log.h"
#include "tests/core/scratch.h"
#include "tests/fault/lossy_disk.h"
#include "tests/support/durable_hook.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using Operation = DurableOperation;

// One way for an operation, number n of the writer's, to go wrong.
struct Fault {
  const char* name;
  // Called with the number of each operation less n, from n on.
  std::function<int(Operation, int after)> strike;
  bool kills = false;
};

bool takes_space(Operation operation) {
  return operation != Operation::kRemove && operation != Operation::kRename &&
         operation != Operation::kTruncate;
}

const std::vector<Fault>& faults() {
  const auto once = [](int code) {
    return [code](Operation, int after) { return after == 0 ? code : 0; };
  };
  static const std::vector<Fault> all = {
      {"ENOSPC", once(ENOSPC)},
      {"EIO", once(EIO)},
      {"EROFS", once(EROFS)},
      {"EDQUOT", once(EDQUOT)},
      {"disk stays full",
       [](Operation operation, int) { return takes_space(operation) ? ENOSPC : 0; }},
      {"short write, then ENOSPC",
       [](Operation operation, int after) {
         if (operation != Operation::kWrite) return 0;
         return after == 0 ? kWriteHalf : ENOSPC;
       }},
      {"kill",
       [](Operation, int) {
         ::_exit(9);
         return 0;
       },
       true},
      {"short write, then kill",
       [](Operation operation, int after) {
         if (after == 0 && operation == Operation::kWrite) return kWriteHalf;
         ::_exit(9);
         return 0;
       },
       true},
  };
  return all;
}

// Numbers in names differ between runs: process ids, seconds.
std::set<std::string> names_in(const Scratch& scratch) {
  std::set<std::string> names;
  for (std::string name : scratch.names()) {
    if (name.find("tfevents") != std::string::npos)
      name.erase(std::remove_if(name.begin(), name.end(), ::isdigit), name.end());
    names.insert(name);
  }
  return names;
}

int process_that_is_gone() {
  static const pid_t gone = [] {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
    return child;
  }();
  return gone;
}

// What this process left over is then seen as the next one sees it.
void give_to_the_dead(const std::string& folder) {
  const std::string alive = "-" + std::to_string(::getpid()) + "-",
                    gone = "-" + std::to_string(process_that_is_gone()) + "-";
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().filename().string().find(alive) != std::string::npos)
      paths.push_back(entry.path().string());
  for (const std::string& path : paths) {
    std::string other = path;
    other.replace(other.rfind(alive), alive.size(), gone);
    fs::rename(path, other);
  }
}

class EveryWriter : public testing::TestWithParam<Writer> {
 protected:
  EveryWriter() {
    at::set_num_threads(1);           // a forked child has no other threads
    set_log_level(LogLevel::kError);  // leftovers are warned of
    const Scratch before, after;
    writer().write_old(before.path());
    old_ = load(before);
    names_ = names_in(before);
    writer().write_old(after.path());
    writer().write_new(after.path());
    new_ = load(after);
    names_.merge(names_in(after));
  }
  ~EveryWriter() override { set_log_level(LogLevel::kInfo); }

  static const Writer& writer() { return GetParam(); }

  // The reader's answer; equal files are read once, since models take long to load.
  std::string load(const Scratch& scratch) {
    std::string all;
    for (const std::string& name : scratch.names()) {
      const std::string path = scratch / name;
      all += name + (fs::is_directory(path) ? "/" : "=" + sha256_file(path)) + "\n";
    }
    if (const auto known = loaded_.find(all); known != loaded_.end()) return known->second;
    return loaded_[all] = writer().load(scratch.path());
  }

  void expect_old_or_new(const Scratch& scratch) {
    give_to_the_dead(scratch.path());
    remove_stale_temporaries_below(scratch.path());  // the next start
    for (const std::string& name : names_in(scratch))
      EXPECT_TRUE(names_.contains(name)) << name << " is left over";
    std::string now;
    ASSERT_NO_THROW(now = load(scratch));
    if (writer().grows)
      EXPECT_TRUE(now.starts_with(old_) && new_.starts_with(now)) << now;
    else
      EXPECT_TRUE(now == old_ || now == new_) << now;
  }

  // True where the writer has an operation n.
  bool strike(const Fault& fault, int n) {
    const Scratch scratch;
    writer().write_old(scratch.path());
    int count = 0;
    const auto hook = [&](Operation operation, const std::string&) {
      const int after = count++ - n;
      return after < 0 ? 0 : fault.strike(operation, after);
    };
    bool struck = false;
    if (fault.kills) {
      const pid_t child = ::fork();
      if (child == 0) {
        set_durable_hook(hook);
        writer().write_new(scratch.path());
        ::_exit(0);
      }
      int status = 0;
      EXPECT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
      struck = WEXITSTATUS(status) == 9;
    } else {
      std::optional<Error> error;
      {
        const Hook scope(hook);
        try {
          writer().write_new(scratch.path());
        } catch (const Error& thrown) {
          error = thrown;
        }
      }
      struck = count > n;
      if (error) {
        EXPECT_EQ(error->kind(), ErrorKind::kResources) << error->what();
        EXPECT_NE(std::string(error->what()).find(scratch.path()), std::string::npos)
            << error->what();
      } else {
        EXPECT_EQ(load(scratch), new_) << "reported as done";
      }
    }
    expect_old_or_new(scratch);
    writer().write_new(scratch.path());
    EXPECT_EQ(load(scratch), new_) << "done again";
    return struck;
  }

  std::string old_, new_;
  std::set<std::string> names_;
  std::map<std::string, std::string> loaded_;
};

TEST_P(EveryWriter, LeavesTheOldOrTheNewStateWhereverItFails) {
  std::cout << "| " << writer().name;
  for (const Fault& fault : faults()) {
    int n = 0;
    while (!HasFailure()) {
      SCOPED_TRACE(std::string(fault.name) + " at operation " + std::to_string(n));
      if (!strike(fault, n)) break;
      ++n;
    }
    EXPECT_GT(n, 1) << fault.name;
    std::cout << " | " << n;
  }
  std::cout << " |\n";
}

TEST_P(EveryWriter, LeavesTheOldOrTheNewStateWhenThePowerFails) {
  const char* given = std::getenv("ATTUNE_FAULT_SEEDS");
  const int seeds = given != nullptr ? std::atoi(given) : 5;
  const Scratch scratch;
  writer().write_old(scratch.path());
  LossyDisk disk(scratch.path());
  {
    const Hook hook([&](Operation operation, const std::string& path) {
      disk.before(operation, path);
      return 0;
    });
    writer().write_new(scratch.path());
  }
  disk.finish();
  std::mt19937_64 random(7);
  for (std::size_t cut = 0; cut < disk.cuts() && !HasFailure(); ++cut) {
    for (int seed = 0; seed < seeds && !HasFailure(); ++seed) {
      SCOPED_TRACE("before operation " + std::to_string(cut) + ", seed " + std::to_string(seed));
      const Scratch found;
      disk.restore(cut, random, found.path());
      expect_old_or_new(found);
      if (cut + 1 == disk.cuts()) {
        EXPECT_EQ(load(found), new_) << "was reported as written";
      }
      if (seed == 0) {
        writer().write_new(found.path());
        EXPECT_EQ(load(found), new_) << "done again";
      }
    }
  }
  std::cout << "| " << writer().name << " | " << disk.cuts() << " | " << seeds << " |\n";
}

INSTANTIATE_TEST_SUITE_P(All, EveryWriter, testing::ValuesIn(writers()), [](const auto& row) {
  std::string name;
  for (const char c : row.param.name)
    if (::isalnum(static_cast<unsigned char>(c))) name += c;
  return name;
});

}  // namespace
}  // namespace attune
