#include "apps/completion.h"

#include <vector>

#include "apps/command_table.h"
#include "apps/recipes.h"
#include "core/config_schema.h"
#include "core/error.h"
#include "pipeline/run_config.h"

namespace attune {
namespace {

using Words = std::vector<std::string>;

std::string joined(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// In single quotes, as all three shells read them.
std::string quoted(const std::string& text, const char* apostrophe) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string(apostrophe) : std::string(1, c);
  return out + "'";
}
std::string posix_quoted(const std::string& text) { return quoted(text, "'\\''"); }
std::string fish_quoted(std::string text) {
  for (std::size_t at = 0; (at = text.find('\\', at)) != std::string::npos; at += 2)
    text.insert(at, "\\");
  return quoted(text, "\\'");
}

void add_settings(const Json& schema, const std::string& path, Words& settings) {
  for (const auto& [key, value] : schema.at("properties").items()) {
    const std::string below = path.empty() ? key : path + "." + key;
    if (value.contains("properties"))
      add_settings(value, below, settings);
    else
      settings.push_back(below + "=");
  }
}

// "train.epochs=", ...
Words setting_words() {
  Words settings;
  add_settings(config_schema<RunConfig>(""), "", settings);
  return settings;
}

bool takes_settings(const Command& command) {
  return command.answer == Command::Answer::kLibraryWithConfig ||
         command.answer == Command::Answer::kLibraryWithSweep || command.name == "config";
}

Words recipe_words() {
  Words names;
  for (const Recipe& recipe : recipes()) names.push_back(recipe.name);
  return names;
}

// First words of commands; "data" once.
Words first_words() {
  Words names;
  for (const Command& command : commands()) {
    const std::string first = command.name.substr(0, command.name.find(' '));
    if (names.empty() || names.back() != first) names.push_back(first);
  }
  return names;
}

// Second words of the commands that have two, with the first.
std::string second_word(const Command& command) {
  return command.words() == 2 ? command.name.substr(command.name.find(' ') + 1) : "";
}

std::vector<Option> options_of(const Command& command) {
  std::vector<Option> options = command.options;
  options.insert(options.end(), common_options().begin(), common_options().end());
  return options;
}

Words option_words(const Command& command) {
  Words words;
  for (const Option& option : options_of(command)) words.push_back(option.name);
  return words;
}

// case CHOICES of options whatever the command: they have the same ones everywhere.
std::string choice_cases(const std::string& act) {
  std::string cases;
  Words seen;
  for (const Command& command : commands())
    for (const Option& option : command.options) {
      if (option.choices.empty()) continue;
      bool is_new = true;
      for (const std::string& name : seen) is_new = is_new && name != option.name;
      if (!is_new) continue;
      seen.push_back(option.name);
      cases += "    " + option.name + ") " + act + "'" + joined(option.choices) + "' ;;\n";
    }
  return cases;
}

Words verbs_of_data() {
  Words verbs;
  for (const Command& command : commands())
    if (command.words() == 2) verbs.push_back(second_word(command));
  return verbs;
}

std::string bash() {
  std::string text =
      "# bash completion of attune: source <(attune completion bash)\n"
      "_attune() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} first=2 words=\n"
      "  COMPREPLY=()\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    COMPREPLY=($(compgen -W '" +
      joined(first_words()) +
      "' -- \"$current\"))\n"
      "    return\n"
      "  fi\n"
      "  if [[ $command == data ]]; then\n"
      "    if ((COMP_CWORD == 2)); then\n"
      "      COMPREPLY=($(compgen -W '" +
      joined(verbs_of_data()) +
      "' -- \"$current\"))\n"
      "      return\n"
      "    fi\n"
      "    command=\"data ${COMP_WORDS[2]}\" first=3\n"
      "  fi\n"
      "  case ${COMP_WORDS[COMP_CWORD - 1]} in\n" +
      choice_cases("words=") +
      "  esac\n"
      "  if [[ $words ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "    return\n"
      "  fi\n"
      "  if [[ $current == -* ]]; then\n"
      "    case $command in\n";
  for (const Command& command : commands())
    text += "      '" + command.name + "') words='" + joined(option_words(command)) + "' ;;\n";
  text +=
      "    esac\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "    return\n"
      "  fi\n"
      "  if ((COMP_CWORD == first)); then\n"
      "    case $command in\n"
      "      help) words='" +
      joined(first_words()) + "' ;;\n";
  for (const Command& command : commands())
    if (!command.verbs.empty())
      text += "      '" + command.name + "') words='" + joined(command.verbs) + "' ;;\n";
  text +=
      "    esac\n"
      "  else\n"
      "    case $command in\n"
      "      recipes) ((COMP_CWORD == 3)) && words='" +
      joined(recipe_words()) +
      "' ;;\n"
      "      ";
  std::string with_settings;
  for (const Command& command : commands())
    if (takes_settings(command)) with_settings += (with_settings.empty() ? "" : "|") + command.name;
  text += with_settings +
          ")\n"
          "        words='" +
          joined(setting_words()) +
          "'\n"
          "        compopt -o nospace\n"
          "        ;;\n"
          "    esac\n"
          "  fi\n"
          "  [[ $words ]] && COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
          "}\n"
          "complete -o default -F _attune attune\n";
  return text;
}

// "name:what it is", as _describe takes it.
std::string described(const std::string& name, const std::string& what) {
  return posix_quoted(name + ":" + what);
}

std::string zsh() {
  std::string first, second, options, verbs;
  for (const Command& command : commands()) {
    if (command.words() == 2)
      second += " " + described(second_word(command), command.summary);
    else
      first += " " + described(command.name, command.summary);
    options += "    '" + command.name + "') options=(";
    for (const Option& option : options_of(command))
      options += " " + described(option.name, option.help);
    options += ") ;;\n";
    if (!command.verbs.empty())
      verbs +=
          "      '" + command.name + "') compadd -- " + joined(command.verbs) + "; return ;;\n";
  }
  std::string with_settings;
  for (const Command& command : commands())
    if (takes_settings(command)) with_settings += (with_settings.empty() ? "" : "|") + command.name;
  return "#compdef attune\n"
         "# zsh completion of attune: attune completion zsh > FOLDER_OF_FPATH/_attune\n"
         "_attune() {\n"
         "  local command=$words[2] first=3\n"
         "  local -a commands verbs options\n"
         "  if (( CURRENT == 2 )); then\n"
         "    commands=(" +
         first +
         " 'data:data sets: what they hold, what is wrong in them, other formats')\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  if [[ $command == data ]]; then\n"
         "    if (( CURRENT == 3 )); then\n"
         "      verbs=(" +
         second +
         ")\n"
         "      _describe verb verbs\n"
         "      return\n"
         "    fi\n"
         "    command=\"data $words[3]\" first=4\n"
         "  fi\n"
         "  local choices=\n"
         "  case $words[CURRENT-1] in\n" +
         choice_cases("choices=") +
         "  esac\n"
         "  if [[ -n $choices ]]; then\n"
         "    compadd -- ${=choices}\n"
         "    return\n"
         "  fi\n"
         "  case $command in\n" +
         options +
         "  esac\n"
         "  if [[ $PREFIX == -* ]]; then\n"
         "    _describe option options\n"
         "    return\n"
         "  fi\n"
         "  if (( CURRENT == first )); then\n"
         "    case $command in\n"
         "      help) compadd -- " +
         joined(first_words()) + "; return ;;\n" + verbs +
         "    esac\n"
         "  else\n"
         "    case $command in\n"
         "      recipes) (( CURRENT == 4 )) && compadd -- " +
         joined(recipe_words()) +
         " ;;\n"
         "      " +
         with_settings + ") compadd -S '' -- " + joined(setting_words()) +
         " ;;\n"
         "    esac\n"
         "  fi\n"
         "  _files\n"
         "}\n"
         "if [[ $funcstack[1] == _attune ]]; then _attune \"$@\"; else compdef _attune attune; "
         "fi\n";
}

std::string fish() {
  std::string text =
      "# fish completion of attune: attune completion fish > "
      "~/.config/fish/completions/attune.fish\n";
  const std::string complete = "complete -c attune ";
  for (const Command& command : commands()) {
    const bool is_data = command.words() == 2;
    const std::string verb = second_word(command);
    if (is_data)
      text += complete +
              "-n '__fish_seen_subcommand_from data; and not __fish_seen_subcommand_from " +
              joined(verbs_of_data()) + "' -f -a " + verb + " -d " + fish_quoted(command.summary) +
              "\n";
    else
      text += complete + "-n __fish_use_subcommand -f -a " + command.name + " -d " +
              fish_quoted(command.summary) + "\n";
    const std::string here =
        is_data ? "'__fish_seen_subcommand_from data; and __fish_seen_subcommand_from " + verb + "'"
                : "'__fish_seen_subcommand_from " + command.name + "'";
    for (const Option& option : options_of(command)) {
      text += complete + "-n " + here + " -l " + option.name.substr(2);
      if (!option.letter.empty()) text += " -s " + option.letter.substr(1);
      if (!option.choices.empty())
        text += " -x -a '" + joined(option.choices) + "'";
      else if (!option.value.empty())
        text += " -r";
      text += " -d " + fish_quoted(option.help) + "\n";
    }
    if (!command.verbs.empty())
      text += complete + "-n " + here + " -a '" + joined(command.verbs) + "'\n";
    if (command.name == "recipes")
      text += complete + "-n " + here + " -a '" + joined(recipe_words()) + "'\n";
    if (takes_settings(command))
      text += complete + "-n " + here + " -a '" + joined(setting_words()) + "'\n";
  }
  return text + complete + "-n __fish_use_subcommand -f -a data\n";
}

}  // namespace

std::string completion(const std::string& shell) {
  if (shell == "bash") return bash();
  if (shell == "zsh") return zsh();
  ATTUNE_ASSERT(shell == "fish");
  return fish();
}

}  // namespace attune
