// One reader of files from outside, as the fuzzer sees it. A new reader is one entry in
// plain_readers() or weights_readers() and a folder tests/fuzz/corpus/NAME with small good files.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace attune {

struct FuzzReader {
  std::string name;                // as its corpus' folder
  std::vector<std::string> words;  // of the format, for the mutator
  // Reads; throws Error where it refuses. What it gives is checked inside: a text that is no UTF-8
  // or an id outside the vocabulary is a std::logic_error.
  std::function<void(const std::string& bytes)> read;
};

std::vector<FuzzReader> plain_readers();    // rooms without torch
std::vector<FuzzReader> weights_readers();  // models/, in builds with torch

inline void PrintTo(const FuzzReader& reader, std::ostream* out) { *out << reader.name; }

}  // namespace attune
