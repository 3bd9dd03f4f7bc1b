// The only layer that writes anything which must survive a crash. Order for a file: write to a
// temporary beside the target, fsync, rename, fsync the parent directory; for a directory: every
// file fsynced inside a temporary directory, then one rename. After a crash at any operation the
// old or the new state is there, never a mixture. Every failure is an Error{kResources} that names
// the path and the operating system's reason; what was there before is intact and no temporary is
// left. A killed process leaves one: the next write of the same path sweeps it, and so does whoever
// locks the run directory that it lies in (remove_stale_temporaries_below).
//
// What exists already is replaced by exchanging the two names (renameat2, RENAME_EXCHANGE): the old
// one is removed after the parent is synced, and put back if that fails. Where the file system
// knows no exchange, a file is replaced by a plain rename (a failing sync of the parent is reported
// then, with the new file in place), and a directory by two renames: a kill between them leaves no
// target but the old one beside it as `.NAME.old-PID-COUNTER`, which remove_stale_temporaries
// brings back.
//
// Tests see every operation through set_durable_hook: it is called before each one and may throw,
// or return an errno that the operation then reports, or kill the process. docs/reliability.md says
// what is promised of the writers above this layer; tests/fault/ shows it of each.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace attune {

enum class DurableOperation : std::uint8_t {
  kCreate,
  kWrite,
  kSync,
  kRename,
  kSyncDirectory,
  kRemove,
  kMakeDirectory,
  kTruncate
};

// Returns 0 to go on, or an errno value (ENOSPC, EIO, ...) with which the operation shall fail, or,
// of a kWrite, kWriteHalf: only the first half of the bytes is written by this one.
inline constexpr int kWriteHalf = -1;
using DurableHook = std::function<int(DurableOperation, const std::string& path)>;
void set_durable_hook(DurableHook hook);  // an empty function removes it; for tests

// Replaces `path` atomically. Parent directories are made.
void write_file_durably(const std::string& path, std::string_view bytes);
// Of a big file in pieces: `fill` calls its argument with one piece after the other.
void write_file_durably(
    const std::string& path,
    const std::function<void(const std::function<void(std::string_view)>&)>& fill);

// A directory that appears whole or not at all:
//   DurableDirectory out("runs/x/artifact"); out.write("config.json", ...); out.commit();
// Without commit() the destructor removes the temporary. commit() replaces an existing target.
class DurableDirectory {
 public:
  explicit DurableDirectory(std::string target);
  ~DurableDirectory();
  DurableDirectory(const DurableDirectory&) = delete;
  DurableDirectory& operator=(const DurableDirectory&) = delete;

  // `name` is relative, may contain '/', never "..".
  void write(const std::string& name, std::string_view bytes);
  // For big files in pieces: `fill` calls its argument with one piece after the other.
  void write_pieces(const std::string& name,
                    const std::function<void(const std::function<void(std::string_view)>&)>& fill);
  void copy_file(const std::string& source, const std::string& name);
  void commit();

 private:
  std::string target_, temporary_;
  bool committed_ = false;
};

// Appends whole lines (metrics.jsonl, journals) or records of bytes: one write(2) each; sync()
// makes them durable. What a killed process left of an unfinished last line is cut off when the
// file is opened; a file of records is begun anew every time. After a failed sync() every further
// call fails.
class AppendFile {
 public:
  enum class Contents : std::uint8_t { kLines, kRecords };
  // kRecords: Error{kResources} where there is such a file already.
  explicit AppendFile(const std::string& path, Contents contents = Contents::kLines);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  void append_line(std::string_view line);  // without a newline in it
  void append_record(std::string_view bytes);
  void sync();

 private:
  void cut_torn_line();
  void append(std::string_view bytes);
  std::string path_;
  int descriptor_ = -1;
};

// A lock that the operating system releases however the process ends (flock), on a file that is
// made, with its folder, if it is not there.
class LockFile {
 public:
  // Error{kResources}.
  explicit LockFile(std::string path);
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;
  // Takes the lock. False if another process has it and `wait` is false.
  bool lock(bool wait);
  int descriptor() const { return descriptor_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_ = -1;
};

// With its parents, each synced into its own; one that is there is fine.
void make_directories_durably(const std::string& path);

// Removes a file or a directory with all in it; a directory is gone whole or not at all. Nothing
// there is fine.
void remove_durably(const std::string& path);

// Removes what killed processes left beside `path` (`.NAME.tmp-PID-*` whose process is gone), and
// brings back a directory whose replacement was cut in two. To be called before `path` is read or
// read; whatever writes it does so itself.
void remove_stale_temporaries(const std::string& path);
// The same for everything in `folder`, all the way down.
void remove_stale_temporaries_below(const std::string& folder);

}  // namespace attune
