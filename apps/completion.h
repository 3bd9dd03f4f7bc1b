// `attune completion bash|zsh|fish`: what a shell needs to complete commands, options, the values
// of options that have few, settings (train.epochs=) and recipes. Made of the command table and of
// the configuration's fields, so that it cannot fall behind them.
#pragma once

#include <string>

namespace attune {

// `shell`: bash, zsh or fish.
std::string completion(const std::string& shell);

}  // namespace attune
