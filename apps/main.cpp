// The program loads libattune when work starts: from its own folder (a build) or from the lib
// beside it (an installation). It does not link torch, whose loading takes 200 to 600 ms.
#include <filesystem>
#include <string>

#include <dlfcn.h>

#include "apps/program.h"
#include "core/error.h"

namespace attune {
namespace {

constexpr const char* kLibrary = "libattune.so";

LibraryMain load_library() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) throw_error(ErrorKind::kResources, "/proc/self/exe: ", error.message());
  const std::filesystem::path folder = program.parent_path();
  const std::filesystem::path installed = folder.parent_path() / "lib" / kLibrary;
  std::string path = (folder / kLibrary).string();
  if (!std::filesystem::exists(path, error)) path = installed.string();
  if (!std::filesystem::exists(path, error))
    throw_error(ErrorKind::kResources, "there is no ", kLibrary, " in ", folder.string(),
                " nor in ", installed.parent_path().string(), ": build or install attune again");
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw_error(ErrorKind::kResources, "cannot load ", kLibrary, ": ", ::dlerror());
  void* entry = ::dlsym(library, "attune_main");
  if (entry == nullptr)
    throw_error(ErrorKind::kResources, path, " is not of this version of attune: ", ::dlerror());
  return reinterpret_cast<LibraryMain>(entry);
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) { return attune::program_main(argc, argv, attune::load_library); }
