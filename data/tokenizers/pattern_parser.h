// Reads a regular expression into a SplitPattern's nodes. Used by split_pattern.cpp alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/split_pattern.h"

namespace attune {

class PatternParser {
 public:
  PatternParser(std::string_view pattern, const std::string& place, SplitPattern& out);
  void parse();

 private:
  using Kind = SplitPattern::Kind;
  using Greed = SplitPattern::Greed;
  struct Item {  // a node of the tree that is read first
    enum class What : std::uint8_t { kSet, kGroup, kLook, kAtomic } what;
    CharacterClass characters;                // kSet
    char32_t folded = 0;                      // kSet: the letter of (?i: ) that it was read from
    std::vector<std::vector<Item>> branches;  // the others
    bool negative = false;                    // kLook
    std::uint32_t least = 1, most = 1;
    Greed greed = Greed::kGreedy;
  };
  using Branches = std::vector<std::vector<Item>>;

  [[noreturn]] void refuse(const std::string& what) const;
  bool done() const { return at_ == pattern_.size(); }
  bool accept(std::string_view text);
  char32_t take();

  Branches parse_branches(bool ignore_case, int depth);
  std::vector<Item> parse_sequence(bool ignore_case, int depth);
  Item parse_item(bool ignore_case, int depth);
  void parse_repeats(Item& item);
  std::uint32_t parse_number();
  CharacterClass parse_class(bool ignore_case, int depth);
  // A class like \s after its backslash (true), or one character.
  bool parse_escape(CharacterClass& characters, char32_t& character, bool in_set);
  CharacterClass parse_property(bool negated);
  char32_t parse_hexadecimal(std::size_t least, std::size_t most);
  void add_character(CharacterClass& characters, char32_t c, bool ignore_case) const;
  void check_folding(const std::vector<Item>& sequence) const;

  std::uint32_t add_node(SplitPattern::Node node);
  std::uint32_t build(const Branches& branches, std::uint32_t next);
  std::uint32_t build(const std::vector<Item>& sequence, std::uint32_t next);
  std::uint32_t build(const Item& item, std::uint32_t next);
  SplitPattern::Branch branch(std::uint32_t node) const;

  std::string_view pattern_;
  const std::string& place_;
  SplitPattern& out_;
  std::size_t at_ = 0;
};

}  // namespace attune
