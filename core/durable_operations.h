// The single operations under core/durable.h, each of which passes through its hook. Private to
// core. Functions that return an int return an errno, 0 for success.
#pragma once

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "core/durable.h"

namespace attune::durable {

const DurableHook& hook();

// What the hook says of an operation.
inline int ask(DurableOperation operation, const std::string& path) {
  return hook() ? hook()(operation, path) : 0;
}

// Every operation passes here: first the hook, then the system. Returns an errno or 0.
template <class Call>
int perform(DurableOperation operation, const std::string& path, const Call& call) {
  if (const int error = ask(operation, path); error != 0) return error;
  return call() ? 0 : errno;
}

// Error{kResources}: "PATH: cannot WHAT: No space left on device".
[[noreturn]] void throw_failure(const std::string& path, const char* what, int error);
void require(int error, const std::string& path, const char* what);

struct Target {
  std::string folder, name;
  std::string path() const { return folder + name; }
  std::string beside(const std::string& other) const { return folder + other; }
  std::string folder_to_sync() const { return folder.empty() ? "." : folder; }
};

// Refuses a path that does not end in a name.
Target split(std::string path);

void create_directory(const std::string& path);
// With its parents; each new one is synced into its own parent.
void make_directories(const std::string& path);
int sync_directory(const std::string& path);
// `flags` of renameat2.
int rename_with(const std::string& from, const std::string& to, unsigned flags);
int remove_tree(const std::string& path);

// Goes on after short writes and interruptions. `at`: where in the file, -1 behind what was
// written.
void write_all(int descriptor, const std::string& path, std::string_view bytes,
               std::int64_t at = -1);
int truncate_file(int descriptor, const std::string& path, std::int64_t size);

using Pieces = std::function<void(const std::function<void(std::string_view)>&)>;

// A file that did not exist before, whole and on disk. `shown` is the path for messages.
void write_new_file(const std::string& path, const std::string& shown, const Pieces& fill);

}  // namespace attune::durable
