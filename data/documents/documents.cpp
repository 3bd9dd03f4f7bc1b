#include "data/documents/documents.h"

#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>
#include <system_error>

#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "data/documents/html_reader.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxPageBytes = std::size_t{16} << 20;

bool is_html(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return extension == ".html" || extension == ".htm";
}

[[noreturn]] void throw_unreadable(const std::string& path, const std::error_code& error) {
  throw_error(ErrorKind::kResources, path, ": cannot be searched for documents: ", error.message());
}

// Relative paths of the pages below a folder, sorted. Pages that are links to files are followed.
std::vector<std::string> list_pages(const std::string& folder) {
  std::vector<std::string> pages;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder + "/", error), end;
  for (; !error && entry != end; entry.increment(error)) {
    std::error_code unreadable;  // a broken link is no page
    if (is_html(entry->path()) && entry->is_regular_file(unreadable))
      pages.push_back(entry->path().lexically_relative(folder).string());
  }
  if (error) throw_unreadable(folder, error);
  std::sort(pages.begin(), pages.end());
  return pages;
}

}  // namespace

bool matches_any(const std::vector<std::string>& patterns, const Document& document) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    const std::string& path = pattern.starts_with('/') ? document.path : document.relative;
    return fnmatch(pattern.c_str(), path.c_str(), 0) == 0;
  });
}

std::vector<Document> read_documents(const DocumentsConfig& config, int threads) {
  std::vector<Document> documents;
  std::set<std::string> seen;
  const auto add = [&](Document document) {
    if (matches_any(config.exclude, document)) return;
    std::error_code error;
    const fs::path real = fs::canonical(document.path, error);
    if (error) throw_unreadable(document.path, error);
    if (seen.insert(real.string()).second) documents.push_back(std::move(document));
  };
  for (std::size_t root = 0; root < config.paths.size(); ++root) {
    fs::path configured(config.paths[root]);
    if (!configured.has_filename()) configured = configured.parent_path();  // "docs/"
    const std::string path = configured.string();
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status))
      throw_error(
          ErrorKind::kConfig, "documents.paths: ", path,
          " is not there; name a folder or an HTML file, or install the package that has it");
    const auto index = static_cast<std::int64_t>(root);
    if (fs::is_directory(status)) {
      for (const std::string& page : list_pages(path)) add({path + "/" + page, page, index, {}});
    } else if (is_html(configured)) {
      add({path, configured.filename().string(), index, {}});
    } else {
      throw_error(
          ErrorKind::kConfig, "documents.paths: ", path,
          " is neither a folder nor an HTML file (.html, .htm); other kinds cannot be read");
    }
  }
  parallel_for(std::ssize(documents), threads, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      documents[i].content =
          parse_html(read_file(documents[i].path, kMaxPageBytes), documents[i].path);
  });
  return documents;
}

}  // namespace attune
