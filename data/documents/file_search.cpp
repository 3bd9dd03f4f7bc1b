#include "data/documents/file_search.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "core/error.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

bool has_wildcard(std::string_view path) {
  return path.find_first_of("*?[") != std::string_view::npos;
}

std::vector<std::string> names_of(std::string_view path) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    names.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

// Relative paths of the files at most `depth` folders below this one that `is_wanted`.
template <class IsWanted>
std::vector<std::string> list_files(const std::string& folder, int depth, IsWanted&& is_wanted) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder + "/", error), end;
  for (; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().native().starts_with('.')) {
      entry.disable_recursion_pending();
      continue;
    }
    if (entry.depth() >= depth) entry.disable_recursion_pending();
    std::error_code unreadable;  // a broken link is no file
    if (!entry->is_regular_file(unreadable)) continue;
    std::string path = entry->path().lexically_relative(folder).string();
    if (is_wanted(path)) files.push_back(std::move(path));
  }
  if (error)
    throw_error(ErrorKind::kResources, folder,
                ": cannot be searched for documents: ", error.message());
  std::sort(files.begin(), files.end());
  return files;
}

constexpr int kAnyDepth = 1 << 20;

FileSearch find_glob(const std::string& path, const std::string& key) {
  const std::size_t slash = path.rfind('/', path.find_first_of("*?["));
  const std::string glob = path.substr(slash == std::string::npos ? 0 : slash + 1);
  FileSearch search;
  search.folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  if (!fs::is_directory(search.folder))
    throw_error(ErrorKind::kConfig, key, ": ", path, ": ", search.folder, " is no folder");
  const bool is_deep = glob.find("**") != std::string::npos;
  const auto depth = static_cast<int>(std::count(glob.begin(), glob.end(), '/'));
  search.files = list_files(search.folder, is_deep ? kAnyDepth : depth,
                            [&](const std::string& file) { return matches_glob(glob, file); });
  return search;
}

}  // namespace

bool matches_glob(std::string_view glob, std::string_view path) {
  const std::vector<std::string> patterns = names_of(glob), names = names_of(path);
  // matches[j]: the patterns so far match the first j names.
  std::vector<bool> matches(names.size() + 1, false);
  matches[0] = true;
  for (const std::string& pattern : patterns) {
    std::vector<bool> next(names.size() + 1, false);
    for (std::size_t j = 0; j <= names.size(); ++j)
      if (pattern == "**")
        next[j] = matches[j] || (j > 0 && next[j - 1]);
      else
        next[j] = j > 0 && matches[j - 1] &&
                  fnmatch(pattern.c_str(), names[j - 1].c_str(), FNM_PERIOD) == 0;
    matches = std::move(next);
  }
  return matches.back();
}

FileSearch find_files(const std::string& path, const std::string& key) {
  fs::path configured(path);
  if (!configured.has_filename() && configured.has_parent_path())
    configured = configured.parent_path();  // "docs/"
  std::error_code error;
  const fs::file_status status = fs::status(configured, error);
  if (!fs::exists(status)) {
    if (has_wildcard(path)) return find_glob(path, key);
    throw_error(ErrorKind::kConfig, key, ": ", configured.string(),
                " is not there; name a folder, a file or a glob such as docs/**/*.md, or install "
                "the package that has it");
  }
  FileSearch search;
  search.folder = configured.string();
  if (fs::is_directory(status)) {
    search.files = list_files(search.folder, kAnyDepth, [](const std::string&) { return true; });
  } else if (fs::is_regular_file(status)) {
    search.is_single = true;
    search.files = {configured.filename().string()};
  } else {
    throw_error(ErrorKind::kConfig, key, ": ", path, " is neither a folder nor a file");
  }
  return search;
}

}  // namespace attune
