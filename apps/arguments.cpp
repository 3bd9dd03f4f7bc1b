#include "apps/arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/config_reader.h"
#include "core/error.h"

namespace attune {
namespace {

const Option& find_option(const Command& command, const std::string& name) {
  std::vector<std::string> names;
  for (const std::vector<Option>* options : {&command.options, &common_options()})
    for (const Option& option : *options) {
      if (option.name == name || option.letter == name) return option;
      names.push_back(option.name);
    }
  const auto close = nearest(name, names);
  throw_error(ErrorKind::kConfig, "attune ", command.name, ": unknown option '", name, "'",
              close ? " (did you mean '" + *close + "'?)" : "", "; see `attune help ", command.name,
              "`");
}

int parse_number(const std::string& text, int minimum, const std::string& what) {
  int number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || number < minimum)
    throw_error(ErrorKind::kConfig, what, ": '", text, "' is no whole number of at least ",
                minimum);
  return number;
}

}  // namespace

Arguments::Arguments(const Command& command, const std::vector<std::string>& words) {
  bool options_ended = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (options_ended || word.size() < 2 || word[0] != '-') {
      positionals_.push_back(word);
    } else if (word == "--") {
      options_ended = true;
    } else {
      const std::size_t equals = word.find('=');
      const Option& option = find_option(command, word.substr(0, equals));
      if (has(option.name) && !option.is_repeatable)
        throw_error(ErrorKind::kConfig, "attune ", command.name, ": ", option.name,
                    " is given twice");
      if (option.value.empty()) {
        if (equals != std::string::npos)
          throw_error(ErrorKind::kConfig, "attune ", command.name, ": ", option.name,
                      " takes no value");
        given_.push_back({option.name, ""});
      } else if (equals != std::string::npos) {
        given_.push_back({option.name, word.substr(equals + 1)});
      } else if (i + 1 < words.size()) {
        given_.push_back({option.name, words[++i]});
      } else {
        throw_error(ErrorKind::kConfig, "attune ", command.name, ": ", option.name,
                    " needs a value: ", option.value, ", ", option.help);
      }
    }
  }
  check_counts(command);
}

void Arguments::check_counts(const Command& command) const {
  const auto& verbs = command.verbs;
  if (!verbs.empty() && !positionals_.empty() &&
      std::find(verbs.begin(), verbs.end(), positionals_[0]) == verbs.end()) {
    const auto close = nearest(positionals_[0], verbs);
    std::string known;
    for (const std::string& verb : verbs) known += (known.empty() ? "" : ", ") + verb;
    throw_error(ErrorKind::kConfig, "attune ", command.name, ": '", positionals_[0],
                "' is not known: expected ", known,
                close ? " (did you mean '" + *close + "'?)" : "");
  }
  for (const Option& option : command.options)
    if (option.is_required && !has(option.name))
      throw_error(ErrorKind::kConfig, "attune ", command.name, ": ", option.name, " ", option.value,
                  " is missing: ", option.help);
  if (positionals_.size() < command.min_positionals)
    throw_error(ErrorKind::kConfig, "attune ", command.name, ": expected ", command.positionals,
                "; see `attune help ", command.name, "`");
  if (positionals_.size() > command.max_positionals)
    throw_error(ErrorKind::kConfig, "attune ", command.name, ": '",
                positionals_[command.max_positionals], "' is too much; see `attune help ",
                command.name, "`");
}

bool Arguments::has(const std::string& option) const {
  return std::any_of(given_.begin(), given_.end(),
                     [&](const Given& g) { return g.option == option; });
}

std::string Arguments::value(const std::string& option, const std::string& otherwise) const {
  for (const Given& given : given_)
    if (given.option == option) return given.value;
  return otherwise;
}

std::vector<std::string> Arguments::values(const std::string& option) const {
  std::vector<std::string> found;
  for (const Given& given : given_)
    if (given.option == option) found.push_back(given.value);
  return found;
}

int Arguments::number(const std::string& option, int otherwise, int minimum) const {
  return has(option) ? parse_number(value(option), minimum, option) : otherwise;
}

std::optional<double> Arguments::real(const std::string& option) const {
  if (!has(option)) return std::nullopt;
  const std::string text = value(option);
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || !std::isfinite(number))
    throw_error(ErrorKind::kConfig, option, ": '", text, "' is no number");
  return number;
}

std::vector<int> parse_list(const std::string& text, const std::string& what) {
  std::vector<int> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    numbers.push_back(parse_number(text.substr(begin, comma - begin), 1, what));
    begin = comma + 1;
  }
  return numbers;
}

}  // namespace attune
