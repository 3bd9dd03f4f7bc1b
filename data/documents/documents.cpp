#include "data/documents/documents.h"

#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "data/documents/document_reader.h"
#include "data/documents/file_search.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKey = "documents.paths";

struct Source {
  Document file;  // without content
  const DocumentReader* reader = nullptr;
};

// ".png", "(no extension)"
std::string extension_of(const std::string& file) {
  std::string extension = fs::path(file).extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension.empty() ? "(no extension)" : extension;
}

// "HTML 9, Markdown 3", the most frequent first, at most five.
std::string list_counts(const std::map<std::string, std::int64_t>& counts) {
  constexpr std::size_t kShown = 5;
  std::vector<std::pair<std::string, std::int64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string all;
  for (std::size_t i = 0; i < std::min(sorted.size(), kShown); ++i)
    all += str_cat(i > 0 ? ", " : "", sorted[i].first, " ", sorted[i].second);
  return sorted.size() > kShown ? all + ", ..." : all;
}

std::int64_t total(const std::map<std::string, std::int64_t>& counts) {
  std::int64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

// What a search of all paths finds, and what it counts on the way.
class Search {
 public:
  Search(const DocumentsConfig& config, DocumentSet& set) : config_(config), set_(set) {
    for (std::size_t root = 0; root < config.paths.size(); ++root)
      add_path(config.paths[root], static_cast<std::int64_t>(root));
    if (sources.empty())
      throw_error(ErrorKind::kConfig, "documents.exclude leaves out all ", set.excluded_files,
                  " files that documents.paths names");
  }

  std::vector<Source> sources;

 private:
  void add_path(const std::string& path, std::int64_t root) {
    const FileSearch search = find_files(path, kKey);
    std::map<std::string, std::int64_t> others;
    std::int64_t known = 0;
    for (const std::string& file : search.files) {
      const DocumentReader* const reader = find_reader(file);
      if (reader == nullptr) {
        ++others[extension_of(file)];
        continue;
      }
      ++known;
      const std::string whole = search.is_single ? search.folder : search.folder + "/" + file;
      add({{whole, file, root, {}}, reader});
    }
    if (known == 0 && search.is_single)
      throw_error(ErrorKind::kConfig, kKey, ": ", search.folder,
                  " is of a kind that cannot be read; these can: ", known_kinds());
    if (known == 0)
      throw_error(ErrorKind::kConfig, kKey, ": ", path, ": no document was found among ",
                  search.files.size(), " files",
                  others.empty() ? "" : str_cat(" (", list_counts(others), ")"), ", searched for ",
                  known_kinds());
    for (const auto& [name, count] : others) set_.other_files[name] += count;
  }

  void add(Source source) {
    const std::string& path = source.file.path;
    if (matches_any(config_.exclude, source.file)) {
      ++set_.excluded_files;
      return;
    }
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (error) throw_error(ErrorKind::kResources, path, ": cannot be read: ", error.message());
    if (!seen_.insert(real.string()).second) return;
    ++set_.read_files[std::string(source.reader->kind)];
    sources.push_back(std::move(source));
  }

  const DocumentsConfig& config_;
  DocumentSet& set_;
  std::set<std::string> seen_;
};

}  // namespace

std::string DocumentSet::summary() const {
  const auto empty = std::count_if(documents.begin(), documents.end(), [](const Document& one) {
    return one.content.sections.empty();
  });
  std::string all = str_cat(documents.size(), " documents (files: ", list_counts(read_files), ")");
  if (empty > 0) all += str_cat(", ", empty, " of them without text");
  if (excluded_files > 0) all += str_cat("; ", excluded_files, " files excluded");
  if (!other_files.empty())
    all += str_cat("; ", total(other_files), " files of other kinds passed over (",
                   list_counts(other_files), ")");
  return all;
}

bool matches_any(const std::vector<std::string>& patterns, const Document& document) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    const std::string& path = pattern.starts_with('/') ? document.path : document.relative;
    return fnmatch(pattern.c_str(), path.c_str(), 0) == 0;
  });
}

DocumentSet read_documents(const DocumentsConfig& config, int threads) {
  DocumentSet set;
  const std::vector<Source> sources = std::move(Search(config, set).sources);
  std::vector<std::vector<Document>> read(sources.size());
  parallel_for(std::ssize(sources), threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      read[i] = sources[i].reader->read(sources[i].file, config.encoding);
  });
  for (std::vector<Document>& documents : read)
    std::move(documents.begin(), documents.end(), std::back_inserter(set.documents));
  return set;
}

}  // namespace attune
