// The program loads libattune, which stands beside it, when work starts. It does not link torch,
// whose loading takes 200 to 600 ms.
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
  const std::string path = (program.parent_path() / kLibrary).string();
  if (!std::filesystem::exists(path, error))
    throw_error(ErrorKind::kResources, path,
                " is missing: the program and its library stand in one folder; "
                "build or install attune again");
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
