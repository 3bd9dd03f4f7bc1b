#include "core/config_documenter.h"

#include "core/error.h"

namespace attune {
namespace {

std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string code(const std::string& text) { return text.empty() ? "" : "`" + cell(text) + "`"; }

}  // namespace

void ConfigDocumenter::row(const std::string& key, const char* type, std::string printed,
                           const Constraint& constraint, const char* help) {
  printed = printed.substr(key.size() + 2);  // "key: value\n"
  printed.pop_back();
  if (constraint.required) printed.clear();
  const std::string path = path_.empty() ? key : path_ + "." + key;
  rows_ += str_cat("| ", code(path), " | ", type, " | ", code(printed), " | ",
                   cell(describe(constraint)), " | ", cell(help), " |\n");
}

std::string ConfigDocumenter::open(const std::string& key, const char* help) {
  const std::string outer = path_;
  path_ = path_.empty() ? key : path_ + "." + key;
  rows_ += str_cat("| **", code(path_), "** | section | | | ", cell(help), " |\n");
  return outer;
}

std::string ConfigDocumenter::text() const {
  return "| key | type | default | constraint | meaning |\n| --- | --- | --- | --- | --- |\n" +
         rows_;
}

}  // namespace attune
