// Where the mistake is in a text that is no YAML. yaml-cpp tells the state in which its scanner
// gave up, often a line below the mistake ("epochs:2" is a text that goes on in the next line, in
// which a colon then surprises), and takes a quote that the text never closes. Private to core.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace attune {

struct ConfigSyntaxMistake {
  std::size_t offset;  // in bytes
  std::string message;
};

// `said`: yaml-cpp's message, at `offset`. `bracket`: where the innermost bracket that was open
// then stands; `quote`: where the last text in quotes began.
ConfigSyntaxMistake explain_yaml_error(std::string_view text, std::size_t offset,
                                       const std::string& said, std::optional<std::size_t> bracket,
                                       std::optional<std::size_t> quote);

// Whether the ' or " at `begin` has its counterpart; true of any other character.
bool is_quote_closed(std::string_view text, std::size_t begin);

}  // namespace attune
