// Words of commands that are told to the user.
#pragma once

#include <string>
#include <string_view>

namespace attune {

// `word` as a POSIX shell reads it back: bare where nothing in it means something to the shell,
// else in single quotes.
std::string shell_word(std::string_view word);

}  // namespace attune
