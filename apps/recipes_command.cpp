#include "apps/recipes_command.h"

#include <algorithm>

#include "apps/recipes.h"
#include "apps/standard_output.h"
#include "core/config_reader.h"
#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

const Recipe& find_recipe(const std::string& name) {
  std::vector<std::string> names;
  for (const Recipe& recipe : recipes()) {
    if (recipe.name == name || recipe.name + ".yaml" == name) return recipe;
    names.push_back(recipe.name);
  }
  const auto close = nearest(name, names);
  throw_error(ErrorKind::kConfig, "attune recipes: there is no recipe '", name, "'",
              close ? " (did you mean '" + *close + "'?)" : "", "; `attune recipes ls` lists them");
}

std::string list() {
  std::size_t width = 0;
  for (const Recipe& recipe : recipes()) width = std::max(width, recipe.name.size());
  std::string text;
  for (const Recipe& recipe : recipes())
    text += recipe.name + std::string(width + 2 - recipe.name.size(), ' ') + recipe.description() +
            "\n";
  return text;
}

}  // namespace

// The comment's second paragraph, up to its first full stop.
std::string Recipe::description() const {
  const std::size_t blank = text.find("\n#\n");
  std::string sentence;
  for (std::size_t at = blank == std::string::npos ? text.size() : blank + 3;
       text.compare(at, 2, "# ") == 0;) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    sentence += (sentence.empty() ? "" : " ") + text.substr(at + 2, end - at - 2);
    at = std::min(end + 1, text.size());
  }
  const std::size_t stop = sentence.find(". ");
  if (stop != std::string::npos) sentence.resize(stop + 1);
  if (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

void recipes_command(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positionals();
  const std::string& verb = words[0];
  const std::size_t most = verb == "ls" ? 1 : verb == "cat" ? 2 : 3;
  if (words.size() > most)
    throw_error(ErrorKind::kConfig, "attune recipes ", verb, ": '", words[most], "' is too much");
  if (verb == "ls") return write_stdout(list());
  if (words.size() < 2)
    throw_error(ErrorKind::kConfig, "attune recipes ", verb,
                ": which recipe? `attune recipes ls` lists them");
  const Recipe& recipe = find_recipe(words[1]);
  if (verb == "cat") return write_stdout(recipe.text);
  const std::string path = words.size() > 2 ? words[2] : recipe.name + ".yaml";
  if (file_exists(path))
    throw_error(ErrorKind::kConfig, path, " is there already: give another name, or remove it");
  write_file_durably(path, recipe.text);
  write_stdout(path + "\n");
}

}  // namespace attune
