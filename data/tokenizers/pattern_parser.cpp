#include "data/tokenizers/pattern_parser.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <utility>

#include "core/error.h"
#include "data/tokenizers/quote.h"
#include "data/tokenizers/text_tables.h"

namespace attune {
namespace {

using text_tables::kCategories;

constexpr int kMaxDepth = 50;
constexpr std::size_t kMaxNodes = 1000;
constexpr std::size_t kMaxSets = 400;  // of 9 KB and more
constexpr std::uint32_t kMaxRepeats = 1000;
constexpr std::uint32_t kWithoutEnd = ~std::uint32_t{0};

bool is_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

PatternParser::PatternParser(std::string_view pattern, const std::string& place, SplitPattern& out)
    : pattern_(pattern), place_(place), out_(out) {}

void PatternParser::refuse(const std::string& what) const {
  throw_error(ErrorKind::kData, place_, ": byte ", at_, " of the pattern ", quote(pattern_), ": ",
              what);
}

bool PatternParser::accept(std::string_view text) {
  if (!pattern_.substr(at_).starts_with(text)) return false;
  at_ += text.size();
  return true;
}

char32_t PatternParser::take() {
  if (done()) refuse("the pattern ends too early");
  return next_character(pattern_, at_);
}

void PatternParser::parse() {
  const Branches branches = parse_branches(false, 0);
  if (!done()) refuse("found ')' without a '('");
  add_node({});  // node 0 is the end
  const SplitPattern::Branch start = branch(build(branches, 0));
  if (start.may_be_empty) refuse("the pattern may match nothing, which attune does not do");
  out_.start_.push_back(start);
}

PatternParser::Branches PatternParser::parse_branches(bool ignore_case, int depth) {
  if (depth > kMaxDepth) refuse(str_cat("groups more than ", kMaxDepth, " deep"));
  Branches branches;
  do branches.push_back(parse_sequence(ignore_case, depth));
  while (accept("|"));
  return branches;
}

std::vector<PatternParser::Item> PatternParser::parse_sequence(bool ignore_case, int depth) {
  std::vector<Item> sequence;
  while (!done() && pattern_[at_] != '|' && pattern_[at_] != ')') {
    sequence.push_back(parse_item(ignore_case, depth));
    parse_repeats(sequence.back());
  }
  check_folding(sequence);
  return sequence;
}

PatternParser::Item PatternParser::parse_item(bool ignore_case, int depth) {
  Item item{};
  if (accept("(")) {
    item.what = Item::What::kGroup;
    if (accept("?=")) {
      item.what = Item::What::kLook;
    } else if (accept("?!")) {
      item.what = Item::What::kLook;
      item.negative = true;
    } else if (accept("?>")) {
      item.what = Item::What::kAtomic;
    } else if (accept("?i:")) {
      ignore_case = true;
    } else if (!accept("?:") && !done() && pattern_[at_] == '?') {
      refuse("of groups, attune knows (?: (?i: (?= (?! and (?>");
    }
    item.branches = parse_branches(ignore_case, depth + 1);
    if (!accept(")")) refuse("a group has no ')'");
    return item;
  }
  item.what = Item::What::kSet;
  if (accept("[")) {
    item.characters = parse_class(ignore_case, depth);
    return item;
  }
  if (accept(".")) {
    item.characters.ranges = {{'\n', '\n'}};
    item.characters.negated = true;
    return item;
  }
  char32_t c = 0;
  if (accept("\\")) {
    if (parse_escape(item.characters, c, false)) return item;
  } else {
    if (std::string_view("^$*+?{").find(pattern_[at_]) != std::string_view::npos) {
      refuse("attune knows no anchors, and no repeat without something before it");
    }
    c = take();
  }
  add_character(item.characters, c, ignore_case);
  if (ignore_case && is_letter(c)) item.folded = c | 0x20;
  return item;
}

void PatternParser::parse_repeats(Item& item) {
  const std::size_t begin = at_;
  if (accept("?")) {
    item.least = 0;
  } else if (accept("*")) {
    item.least = 0;
    item.most = kWithoutEnd;
  } else if (accept("+")) {
    item.most = kWithoutEnd;
  } else if (accept("{")) {
    item.least = item.most = parse_number();
    if (accept(",")) {
      item.most = !done() && pattern_[at_] == '}' ? kWithoutEnd : parse_number();
    } else if (!done() && pattern_.substr(at_).starts_with("}?")) {
      refuse("{n}? has more than one meaning");
    }
    if (!accept("}")) refuse("a repeat is {n}, {n,} or {n,m}");
    if (item.most < item.least) refuse("a repeat whose end is before its begin");
  } else {
    return;
  }
  const bool braces = pattern_[begin] == '{';
  if (accept("?")) {
    item.greed = Greed::kLazy;
  } else if (!braces && accept("+")) {
    item.greed = Greed::kPossessive;
  }
  if (!done() && std::string_view("?*+{").find(pattern_[at_]) != std::string_view::npos) {
    refuse("a repeat of a repeat");
  }
  if (item.what == Item::What::kSet) return;
  if (item.what == Item::What::kLook) refuse("a repeat of (?= ) or (?! )");
  if (item.most == kWithoutEnd || item.greed == Greed::kPossessive) {
    refuse("a group may be repeated only as often as a number says (? or {n,m})");
  }
}

std::uint32_t PatternParser::parse_number() {
  std::uint32_t number = 0;
  const std::size_t begin = at_;
  while (!done() && std::isdigit(static_cast<unsigned char>(pattern_[at_]))) {
    number = number * 10 + static_cast<std::uint32_t>(pattern_[at_++] - '0');
    if (number > kMaxRepeats) refuse(str_cat("a repeat of more than ", kMaxRepeats));
  }
  if (at_ == begin) refuse("a repeat is {n}, {n,} or {n,m}");
  return number;
}

CharacterClass PatternParser::parse_class(bool ignore_case, int depth) {
  if (depth > kMaxDepth) refuse(str_cat("sets more than ", kMaxDepth, " deep"));
  CharacterClass whole;
  whole.negated = accept("^");
  if (ignore_case && whole.negated) refuse("a negated set inside (?i: )");
  CharacterClass part;  // what is between two &&
  bool empty = true;
  const auto close_part = [&] {
    if (empty) refuse("a set, or a side of &&, that is empty");
    whole.all.push_back(std::exchange(part, {}));
    empty = true;
  };
  while (!accept("]")) {
    if (accept("&&")) {
      close_part();
      continue;
    }
    if (pattern_.substr(at_).starts_with("[:")) refuse("a set like [:alpha:]");
    if (accept("[")) {
      part.either.push_back(parse_class(ignore_case, depth + 1));
      empty = false;
      continue;
    }
    const bool may_be_dash = empty;
    CharacterClass named;
    char32_t first = 0;
    const auto take_one = [&] {
      return accept("\\") ? parse_escape(named, first, true) : (first = take(), false);
    };
    const bool dash = pattern_.substr(at_).starts_with("-");
    if (take_one()) {
      if (ignore_case) refuse("a class like \\p{L} inside (?i: )");
      if (pattern_.substr(at_).starts_with("-") && !pattern_.substr(at_).starts_with("-]")) {
        refuse("a '-' behind a class; write \\-");
      }
      part.either.push_back(std::move(named));
    } else if (dash && !may_be_dash && !pattern_.substr(at_).starts_with("]")) {
      refuse("a '-' in the middle of a set; write \\-");
    } else if (pattern_.substr(at_).starts_with("-") && !pattern_.substr(at_).starts_with("-]")) {
      const char32_t begin = first;
      accept("-");
      if (pattern_.substr(at_).starts_with("[") || take_one()) refuse("a range up to a class");
      if (first < begin) refuse("a range whose end is before its begin");
      if (ignore_case && first - begin > 255) refuse("a wide range inside (?i: )");
      if (ignore_case) {
        for (char32_t c = begin; c <= first; ++c) add_character(part, c, true);
      } else {
        part.ranges.emplace_back(begin, first);
      }
    } else {
      add_character(part, first, ignore_case);
    }
    empty = false;
  }
  close_part();
  return whole;
}

bool PatternParser::parse_escape(CharacterClass& characters, char32_t& character, bool in_set) {
  const auto named = [&](std::uint32_t categories, std::uint16_t flags, bool negated) {
    characters.categories = categories;
    characters.flags = flags;
    characters.negated = negated;
    return true;
  };
  constexpr std::uint32_t kDecimal = 1 << 8, kOtherNumber = 1 << 10;  // Nd, No
  const std::size_t begin = at_;
  const char32_t c = take();
  switch (c) {
    case 's':
    case 'S':
      return named(0, text_tables::kRegexSpace, c == 'S');
    case 'w':
    case 'W':
      // Alone, Oniguruma's \w has the superscripts and fractions of Latin-1; in a set it has not.
      if (in_set) characters.all.push_back({{}, kOtherNumber, 0, {}, {}, true});
      return named(0, text_tables::kRegexWord, c == 'W');
    case 'd':
    case 'D':
      return named(kDecimal, 0, c == 'D');
    case 'p':
    case 'P':
      characters = parse_property(c == 'P');
      return true;
    case 'n':
      character = '\n';
      return false;
    case 'r':
      character = '\r';
      return false;
    case 't':
      character = '\t';
      return false;
    case 'f':
      character = '\f';
      return false;
    case 'v':
      character = '\v';
      return false;
    case 'a':
      character = '\a';
      return false;
    case 'e':
      character = 0x1B;
      return false;
    case 'u':
      character = parse_hexadecimal(4, 4);
      return false;
    case 'x':
      if (accept("{")) {
        character = parse_hexadecimal(1, 8);
        if (!accept("}")) refuse("\\x{ without its }");
      } else {
        character = parse_hexadecimal(2, 2);
        if (character >= 0x80) refuse("\\xHH of a byte that is no character; write \\x{HH}");
      }
      return false;
    default:
      if (c < 0x80 && std::ispunct(static_cast<int>(c))) {
        character = c;
        return false;
      }
      if (c == ' ') {
        character = c;
        return false;
      }
      refuse(str_cat("attune does not know \\", pattern_.substr(begin, at_ - begin)));
  }
}

CharacterClass PatternParser::parse_property(bool negated) {
  if (!accept("{")) refuse("\\p is followed by {name}");
  if (accept("^")) negated = !negated;
  const std::size_t end = pattern_.find('}', at_);
  if (end == std::string_view::npos) refuse("\\p{ without its }");
  const std::string_view name = pattern_.substr(at_, end - at_);
  CharacterClass found;
  found.negated = negated;
  if (name == "Han") {
    found.flags = text_tables::kHan;
  } else {
    for (std::size_t i = 0; i < std::size(kCategories); ++i) {
      if (!name.empty() && std::string_view(kCategories[i]).starts_with(name)) {
        found.categories |= std::uint32_t{1} << i;
      }
    }
    if (found.categories == 0) {
      refuse(str_cat("attune does not know \\p{", name, "}, only general categories such as L, Lu ",
                     "or Nd, and Han"));
    }
  }
  at_ = end + 1;
  return found;
}

char32_t PatternParser::parse_hexadecimal(std::size_t least, std::size_t most) {
  char32_t value = 0;
  std::size_t digits = 0;
  while (digits < most && !done() && std::isxdigit(static_cast<unsigned char>(pattern_[at_]))) {
    const char digit = pattern_[at_++];
    value = value * 16 + static_cast<char32_t>(std::isdigit(static_cast<unsigned char>(digit))
                                                   ? digit - '0'
                                                   : (digit | 0x20) - 'a' + 10);
    ++digits;
  }
  if (digits < least) refuse("too few hexadecimal digits");
  if (value >= 0x110000 || (value >= 0xD800 && value < 0xE000)) refuse("no such character");
  return value;
}

// Oniguruma folds the long s with s and the Kelvin sign with k. Of other characters only those
// without case are taken.
void PatternParser::add_character(CharacterClass& characters, char32_t c, bool ignore_case) const {
  characters.ranges.emplace_back(c, c);
  if (!ignore_case) return;
  if (c >= 0x80) refuse("a character beyond ASCII inside (?i: )");
  if (!is_letter(c)) return;
  characters.ranges.emplace_back(c ^ 0x20, c ^ 0x20);
  if ((c | 0x20) == 's') characters.ranges.emplace_back(0x17F, 0x17F);
  if ((c | 0x20) == 'k') characters.ranges.emplace_back(0x212A, 0x212A);
}

// Some pairs of letters fold with one character (ss with the sharp s, fi with its ligature).
void PatternParser::check_folding(const std::vector<Item>& sequence) const {
  for (std::size_t i = 0; i + 1 < sequence.size(); ++i) {
    const char32_t a = sequence[i].folded, b = sequence[i + 1].folded;
    if ((a == 's' && (b == 's' || b == 't')) || (a == 'f' && (b == 'f' || b == 'i' || b == 'l'))) {
      refuse("letters inside (?i: ) that have a character for both: ss, st, ff, fi, fl");
    }
  }
}

std::uint32_t PatternParser::add_node(SplitPattern::Node node) {
  if (out_.nodes_.size() == kMaxNodes) refuse(str_cat("more than ", kMaxNodes, " parts"));
  out_.nodes_.push_back(std::move(node));
  return static_cast<std::uint32_t>(out_.nodes_.size() - 1);
}

std::uint32_t PatternParser::build(const Branches& branches, std::uint32_t next) {
  if (branches.size() == 1) return build(branches[0], next);
  SplitPattern::Node node;
  node.kind = Kind::kEither;
  for (const auto& sequence : branches) node.branches.push_back(branch(build(sequence, next)));
  return add_node(std::move(node));
}

std::uint32_t PatternParser::build(const std::vector<Item>& sequence, std::uint32_t next) {
  for (auto item = sequence.rbegin(); item != sequence.rend(); ++item) next = build(*item, next);
  return next;
}

std::uint32_t PatternParser::build(const Item& item, std::uint32_t next) {
  SplitPattern::Node node;
  node.next = next;
  switch (item.what) {
    case Item::What::kSet:
      if (out_.sets_.size() == kMaxSets) refuse(str_cat("more than ", kMaxSets, " sets"));
      node.kind = Kind::kSet;
      node.set = static_cast<std::uint32_t>(out_.sets_.size());
      out_.sets_.emplace_back(item.characters);
      node.least = item.least;
      node.most = item.most;
      node.greed = item.greed;
      return add_node(std::move(node));
    case Item::What::kLook:
      node.kind = Kind::kLook;
      node.negative = item.negative;
      node.body = build(item.branches, 0);
      return add_node(std::move(node));
    case Item::What::kAtomic:
    case Item::What::kGroup:
      break;
  }
  const auto once = [&](std::uint32_t behind) {
    if (item.what == Item::What::kGroup) return build(item.branches, behind);
    SplitPattern::Node atomic;
    atomic.kind = Kind::kAtomic;
    atomic.body = build(item.branches, 0);
    atomic.next = behind;
    return add_node(std::move(atomic));
  };
  std::uint32_t first = next;
  for (std::uint32_t i = item.most; i > item.least; --i) {  // those that may be left out
    SplitPattern::Node maybe;
    maybe.kind = Kind::kEither;
    maybe.branches = {branch(once(first)), branch(next)};
    if (item.greed == Greed::kLazy) std::swap(maybe.branches[0], maybe.branches[1]);
    first = add_node(std::move(maybe));
  }
  for (std::uint32_t i = 0; i < item.least; ++i) first = once(first);
  return first;
}

SplitPattern::Branch PatternParser::branch(std::uint32_t index) const {
  SplitPattern::Branch found{index, {}, false};
  const SplitPattern::Node& node = out_.nodes_[index];
  const auto unite = [&found](const SplitPattern::Branch& other) {
    for (std::size_t i = 0; i < found.starts.size(); ++i) {
      found.starts[i] = found.starts[i] || other.starts[i];
    }
    found.may_be_empty = found.may_be_empty || other.may_be_empty;
  };
  switch (node.kind) {
    case Kind::kEnd:
      found.starts.fill(true);
      found.may_be_empty = true;
      break;
    case Kind::kSet: {
      const CharacterSet& set = out_.sets_[node.set];
      if (node.most == 0 || node.least == 0) unite(branch(node.next));
      for (std::size_t byte = 0; byte < 256 && node.most > 0; ++byte) {
        found.starts[byte] =
            found.starts[byte] || (byte < 128 ? set.contains_ascii(static_cast<unsigned char>(byte))
                                              : set.beyond_ascii());
      }
      break;
    }
    case Kind::kEither:
      for (const SplitPattern::Branch& one : node.branches) unite(one);
      break;
    case Kind::kLook:
      unite(branch(node.next));
      break;
    case Kind::kAtomic: {
      const SplitPattern::Branch body = branch(node.body);
      unite(body);
      if (body.may_be_empty) {
        found.may_be_empty = false;
        unite(branch(node.next));
      }
      break;
    }
  }
  return found;
}

}  // namespace attune
