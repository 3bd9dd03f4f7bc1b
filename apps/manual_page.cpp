#include "apps/manual_page.h"

#include "apps/command_table.h"

namespace attune {
namespace {

// Text that roff takes literally: a backslash and a hyphen are escaped, and so is what begins a
// line and would be a request.
std::string literal(const std::string& text) {
  std::string out;
  if (text.starts_with('.') || text.starts_with('\'')) out = "\\&";
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\'')
      out += "\\(aq";
    else if (c == '`')
      out += "\\(ga";
    else
      out += c;
  }
  return out;
}

std::string section(const std::string& name) { return ".SH " + name + "\n"; }

std::string entry(const std::string& term, const std::string& text) {
  return ".TP\n\\fB" + literal(term) + "\\fR\n" + literal(text) + "\n";
}

std::string page_of(const Command& command) {
  std::string text = ".SS \"" + literal(command.name) + "\"\n" + literal(usage(command)) +
                     "\n.PP\n" + literal(command.summary) + "\n";
  for (const Option& option : command.options) text += entry(invocation(option), option.help);
  if (command.examples.empty()) return text;
  text += ".PP\nExamples:\n.PP\n.nf\n.RS\n";
  for (const std::string& example : command.examples) text += literal(example) + "\n";
  return text + ".RE\n.fi\n";
}

}  // namespace

std::string manual_page(const std::string& version) {
  std::string text =
      ".TH ATTUNE 1 \"\" \"attune " + version + "\" \"User Commands\"\n" + section("NAME") +
      "attune \\- finetune embedding models on your own documents, and measure it\n" +
      section("SYNOPSIS") + "\\fBattune\\fR \\fICOMMAND\\fR ...\n" + section("DESCRIPTION") +
      literal(
          "attune turns a folder of documents into an embedding model that "
          "retrieves them better, and shows by how much. Messages go to stderr, "
          "data to stdout.") +
      "\n" + section("COMMANDS");
  for (const Command& command : commands()) text += page_of(command);
  text += section("OPTIONS") + "Of every command:\n";
  for (const Option& option : common_options()) text += entry(invocation(option), option.help);
  text += section("EXIT STATUS");
  for (const auto& [code, meaning] :
       {std::pair{"0", "fine"}, std::pair{"1", "failed, or a gate was not met"},
        std::pair{"2", "usage or configuration"}, std::pair{"3", "a data set, model or artifact"},
        std::pair{"4", "memory, disk or device"}, std::pair{"5", "diverged"},
        std::pair{"130, 143", "interrupted by SIGINT or SIGTERM"}})
    text += entry(code, meaning);
  text += section("ENVIRONMENT") +
          entry("HF_HUB_CACHE, HF_HOME", "where models are looked for by name") +
          entry("OMP_NUM_THREADS", "threads; all cores are the default") +
          entry("CUDA_VISIBLE_DEVICES", "the GPUs that may be used") +
          entry("NO_COLOR, TERM=dumb", "progress in plain lines instead of one that is rewritten");
  return text;
}

}  // namespace attune
