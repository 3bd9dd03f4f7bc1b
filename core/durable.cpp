#include "core/durable.h"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>  // RENAME_EXCHANGE
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/durable_operations.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

namespace attune {
namespace {

using durable::create_directory;
using durable::make_directories;
using durable::Pieces;
using durable::remove_tree;
using durable::rename_with;
using durable::require;
using durable::split;
using durable::sync_directory;
using durable::Target;
using durable::throw_failure;
using durable::write_new_file;
namespace fs = std::filesystem;

constexpr const char* kTemporaryMark = ".tmp-";
constexpr const char* kAsideMark = ".old-";

std::string unique_path(const Target& target, const char* mark) {
  static std::atomic<std::uint64_t> counter{0};
  std::error_code ignored;
  while (true) {
    std::string path = target.beside(str_cat(".", target.name, mark, ::getpid(), "-", counter++));
    if (!fs::exists(fs::symlink_status(path, ignored))) return path;
  }
}

// Best effort while an error is already on its way; a hook that throws must not hide that one.
void remove_quietly(const std::string& path) noexcept {
  try {
    remove_tree(path);
  } catch (...) {
  }
}

// Removes the temporary unless it has been put in its place.
class TemporaryGuard {
 public:
  explicit TemporaryGuard(std::string path) : path_(std::move(path)) {}
  ~TemporaryGuard() {
    if (!released_) remove_quietly(path_);
  }
  TemporaryGuard(const TemporaryGuard&) = delete;
  TemporaryGuard& operator=(const TemporaryGuard&) = delete;
  void release() { released_ = true; }

 private:
  std::string path_;
  bool released_ = false;
};

bool is_unsupported(int error) {
  return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == ENOTTY;
}

void warn_about_leftover(const std::string& path, int error) {
  if (error != 0)
    log_warning(str_cat(path, ": the replaced copy could not be removed: ",
                        std::generic_category().message(error), "; it is safe to delete"));
}

// Puts `temporary` in the place of `target` and makes that durable; on failure what was there is
// there again, and the caller removes the temporary.
class Replacement {
 public:
  Replacement(const std::string& temporary, const Target& target)
      : temporary_(temporary), target_(target), path_(target.path()) {}

  void run() {
    struct stat existing{};
    if (::lstat(path_.c_str(), &existing) != 0) {
      move_into_free_place();
    } else {
      const int error = rename_with(temporary_, path_, RENAME_EXCHANGE);
      if (error == 0) {
        // The old copy has the temporary's name now: a kill from here on leaves the new one in
        // place and a stray that remove_stale_temporaries sweeps.
        sync_or_undo([&] { return rename_with(temporary_, path_, RENAME_EXCHANGE); });
        warn_about_leftover(temporary_, remove_tree(temporary_));
      } else if (!is_unsupported(error)) {
        throw_failure(path_, "replace", error);
      } else if (S_ISDIR(existing.st_mode)) {
        replace_directory_in_two_steps();
      } else {
        replace_file();
      }
    }
  }

 private:
  void move_into_free_place() {
    require(rename_with(temporary_, path_, 0), path_, "put in its place");
    sync_or_undo([&] { return rename_with(path_, temporary_, 0); });
  }

  // The file system knows no exchange, but rename over a file is atomic everywhere. The old one is
  // gone then, so a failed sync leaves the new one, whole.
  void replace_file() {
    require(rename_with(temporary_, path_, 0), path_, "replace");
    if (const int error = sync_directory(target_.folder_to_sync()); error != 0)
      throw_failure(path_, "confirm that the new contents, which are in place, are on disk", error);
  }

  // No exchange: between the two renames a kill leaves no target, but the whole old one beside it
  // under a name by which remove_stale_temporaries brings it back.
  void replace_directory_in_two_steps() {
    const std::string aside = unique_path(target_, kAsideMark);
    require(rename_with(path_, aside, 0), path_, "move the old directory aside");
    try {
      require(rename_with(temporary_, path_, 0), path_, "put in its place");
      sync_or_undo([&] { return rename_with(path_, temporary_, 0); });
    } catch (...) {
      struct stat ignored{};
      if (::lstat(path_.c_str(), &ignored) != 0 && rename_with(aside, path_, 0) != 0)
        log_error(str_cat(path_, ": what was there is now called ", aside));
      throw;
    }
    warn_about_leftover(aside, remove_tree(aside));
  }

  template <class Undo>
  void sync_or_undo(const Undo& undo) {
    int error = 0;
    try {
      error = sync_directory(target_.folder_to_sync());
    } catch (...) {
      undo();
      throw;
    }
    if (error == 0) return;
    if (undo() != 0)
      throw_failure(path_, "confirm that the new contents, which are in place, are on disk", error);
    throw_failure(path_, "write its directory to disk (fsync)", error);
  }

  const std::string& temporary_;
  const Target& target_;
  std::string path_;
};

// The process id in `.NAME<mark>PID-COUNTER`; nothing where `entry` is not such a name.
std::optional<int> owner(std::string_view entry, const std::string& name, const char* mark) {
  const std::string prefix = str_cat(".", name, mark);
  if (!entry.starts_with(prefix)) return std::nullopt;
  const char* const end = entry.data() + entry.size();
  int pid = 0;
  const auto [dash, pid_error] = std::from_chars(entry.data() + prefix.size(), end, pid);
  if (pid_error != std::errc() || pid <= 0 || dash == end || *dash != '-') return std::nullopt;
  std::uint64_t counter = 0;
  const auto [stop, counter_error] = std::from_chars(dash + 1, end, counter);
  if (counter_error != std::errc() || stop != end) return std::nullopt;
  return pid;
}

bool is_gone(int pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

}  // namespace

namespace {

// What a killed process left of an earlier attempt. It is in nobody's way, so that a write does not
// fail for it.
void sweep_before_writing(const std::string& path) {
  try {
    remove_stale_temporaries(path);
  } catch (const Error& error) {
    log_warning(str_cat(error.what(), ": a leftover of a killed process; it is safe to delete"));
  }
}

}  // namespace

void write_file_durably(const std::string& path, std::string_view bytes) {
  write_file_durably(path, [&](const auto& piece) { piece(bytes); });
}

void write_file_durably(const std::string& path, const Pieces& fill) {
  const Target target = split(path);
  std::error_code ignored;
  if (fs::is_directory(fs::symlink_status(path, ignored)))
    throw_error(ErrorKind::kResources, path, ": cannot write a file: a directory is there");
  make_directories(target.folder);
  sweep_before_writing(path);
  const std::string temporary = unique_path(target, kTemporaryMark);
  TemporaryGuard guard(temporary);
  write_new_file(temporary, path, fill);
  Replacement(temporary, target).run();
  guard.release();
}

DurableDirectory::DurableDirectory(std::string target) : target_(std::move(target)) {
  const Target parts = split(target_);
  target_ = parts.path();
  struct stat existing{};
  if (::stat(target_.c_str(), &existing) == 0 && !S_ISDIR(existing.st_mode))
    throw_error(ErrorKind::kResources, target_, ": cannot write a directory: a file is there");
  make_directories(parts.folder);
  sweep_before_writing(target_);
  temporary_ = unique_path(parts, kTemporaryMark);
  create_directory(temporary_);
}

DurableDirectory::~DurableDirectory() {
  if (!committed_) remove_quietly(temporary_);
}

void DurableDirectory::write(const std::string& name, std::string_view bytes) {
  write_pieces(name, [&](const auto& piece) { piece(bytes); });
}

void DurableDirectory::write_pieces(const std::string& name, const Pieces& fill) {
  ATTUNE_ASSERT(!committed_);
  const fs::path relative(name);
  bool is_plain = !name.empty() && !relative.is_absolute() && relative.has_filename() &&
                  name.find('\0') == std::string::npos;
  for (const fs::path& part : relative) is_plain = is_plain && part != ".." && part != ".";
  if (!is_plain)
    throw_error(ErrorKind::kResources, target_, ": refused to write '", name.c_str(),
                "' into it: expected a relative path without '.' or '..'");
  std::string folder = temporary_;
  for (const fs::path& part : relative.parent_path()) {
    folder += "/" + part.string();
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored)) create_directory(folder);
  }
  write_new_file(temporary_ + "/" + name, target_ + "/" + name, fill);
}

void DurableDirectory::copy_file(const std::string& source, const std::string& name) {
  const MappedFile mapped(source);
  const auto bytes = mapped.bytes();
  write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void DurableDirectory::commit() {
  ATTUNE_ASSERT(!committed_);
  std::vector<std::string> folders{temporary_};
  for (const auto& entry : fs::recursive_directory_iterator(temporary_))
    if (entry.is_directory()) folders.push_back(entry.path().string());
  for (const std::string& folder : folders)
    require(sync_directory(folder), folder, "write the directory to disk (fsync)");
  Replacement(temporary_, split(target_)).run();
  committed_ = true;
}

void make_directories_durably(const std::string& path) { make_directories(path); }

void remove_durably(const std::string& path) {
  const Target target = split(path);
  remove_stale_temporaries(path);
  struct stat existing{};
  if (::lstat(path.c_str(), &existing) != 0) return;
  std::string gone = path;
  if (S_ISDIR(existing.st_mode)) {
    // Under a name that is swept, on disk before the first file goes: none sees a part of it.
    gone = unique_path(target, kTemporaryMark);
    require(rename_with(path, gone, 0), path, "remove");
    require(sync_directory(target.folder_to_sync()), path, "remove");
  }
  require(remove_tree(gone), path, "remove");
}

void remove_stale_temporaries_below(const std::string& folder) {
  std::error_code error;
  std::set<std::string> targets;
  std::vector<std::string> folders;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    bool is_leftover = false;
    for (const char* mark : {kTemporaryMark, kAsideMark}) {
      const std::size_t at = name.rfind(mark);
      if (!name.starts_with('.') || at == std::string::npos || at < 2) continue;
      is_leftover = true;
      targets.insert(folder + "/" + name.substr(1, at - 1));
    }
    std::error_code ignored;
    if (!is_leftover && entry->is_directory(ignored) && !entry->is_symlink(ignored))
      folders.push_back(entry->path().string());
  }
  if (error == std::errc::no_such_file_or_directory) return;
  if (error) throw_failure(folder, "look for leftovers in it", error.value());
  for (const std::string& target : targets) remove_stale_temporaries(target);
  for (const std::string& inner : folders) remove_stale_temporaries_below(inner);
}

void remove_stale_temporaries(const std::string& path) {
  const Target target = split(path);
  std::vector<std::string> temporaries, asides;
  std::error_code error;
  for (fs::directory_iterator entry(target.folder_to_sync(), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const auto temporary_owner = owner(name, target.name, kTemporaryMark);
    const auto aside_owner = owner(name, target.name, kAsideMark);
    if (temporary_owner && is_gone(*temporary_owner)) temporaries.push_back(target.beside(name));
    if (aside_owner && is_gone(*aside_owner)) asides.push_back(target.beside(name));
  }
  if (error == std::errc::no_such_file_or_directory) return;
  if (error) throw_failure(path, "look for leftovers beside it", error.value());

  std::error_code ignored;
  if (!asides.empty() && !fs::exists(fs::symlink_status(target.path(), ignored))) {
    // Killed between the two renames of a replacement: what was there comes back.
    require(rename_with(asides.back(), target.path(), 0), target.path(), "bring back");
    require(sync_directory(target.folder_to_sync()), target.path(),
            "write its directory to disk (fsync)");
    asides.pop_back();
  }
  temporaries.insert(temporaries.end(), asides.begin(), asides.end());
  for (const std::string& leftover : temporaries)
    require(remove_tree(leftover), leftover, "remove");
}

}  // namespace attune
