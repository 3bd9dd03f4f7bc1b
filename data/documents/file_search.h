// Which files a path of a configuration means: a file, a folder, or a glob.
//
// In a glob `*`, `?` and `[...]` stand for characters of one name, and a name `**` for any number
// of folders, also none: docs/**/*.md is every .md file below docs. A path that is there is never a
// glob. Below a folder, and below the part of a glob that has no wildcard, names that begin with a
// dot are passed over, and links to folders are not followed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attune {

struct FileSearch {
  std::string folder;              // the configured one, or the part of a glob without wildcard
  bool is_single = false;          // the path is a file's
  std::vector<std::string> files;  // paths below it, sorted; of a single one its name
};

// Regular files, through links too. Error{kConfig}, with `key` in front: nothing is there, or what
// is there is neither file nor folder. Error{kResources}: a folder that cannot be searched.
FileSearch find_files(const std::string& path, const std::string& key);

bool matches_glob(std::string_view glob, std::string_view path);

}  // namespace attune
