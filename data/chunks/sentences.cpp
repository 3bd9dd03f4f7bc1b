#include "data/chunks/sentences.h"

#include <utf8proc.h>

#include <cstddef>
#include <string>
#include <unordered_set>

#include "core/error.h"
#include "core/file.h"
#include "data/chunks/words.h"
#include "data/tokenizers/characters.h"

namespace attune {
namespace {

using WordSet = std::unordered_set<std::string_view>;

WordSet words_of(std::string_view list) {
  WordSet set;
  Words words(list);
  for (std::string_view word; words.next(word);) set.insert(word);
  return set;
}

// Abbreviations without their last full stop, ASCII letters in lower case.
const WordSet& never_last() {
  static const WordSet set = words_of(
      "mr mrs ms mx dr prof messrs mme mlle gen col maj capt cmdr lt sgt rev hon gov sen rep pres "
      "st ste mt ft e.g i.e eg ie cf vs viz approx ca resp incl "
      "hr fr frl dipl ing hl z.b d.h u.a o.ä s.o s.u i.d.r v.a bzw ggf evtl sog geb gest vgl "
      "sr sra srta dña dn ud uds p.ej ej excmo excma");
  return set;
}
// No end where a number, a roman numeral or a single letter follows.
const WordSet& before_number() {
  static const WordSet set = words_of(
      "no nos nr núm num n.º fig figs eq eqs sec secs sect ch chap vol vols p pp pg pgs pág págs "
      "art arts abs bd s kap abb tab par lit ver v ed al "
      "jan feb mar apr jun jul aug sep sept oct nov dec");
  return set;
}
// No end but before a word that often begins a sentence.
const WordSet& seldom_last() {
  static const WordSet set = words_of(
      "jr sr inc corp ltd co bros dept univ assn ave blvd rd ph.d m.d b.a m.a b.sc m.sc "
      "gmbh str usw ee.uu");
  return set;
}
const WordSet& starters() {
  static const WordSet set = words_of(
      "The A An In It He She They We You I This That These Those There Here However But And Or So "
      "On At As For If When While Where Why Who What Which How His Her Its Their Our My Your After "
      "Before Since By To From With Although Though Because During Then Thus Some Many Most Other "
      "Another Both Each Every Not No Yes According Also Under Over "
      "Der Die Das Ein Eine Es Er Sie Wir Im Am Dies Diese Dieser Dieses Aber Und Auch Nach Bei "
      "Mit Von Zu Auf Für Wenn Als "
      "El La Los Las Un Una En Es Se Su Sus Esta Este Estos Pero Para Por Con Al De Desde "
      "Le Les Une Il Elle Dans");
  return set;
}
const WordSet& german_before_ordinal() {
  static const WordSet set = words_of(
      "der die das dem den des am im vom zum zur ab bis seit und jeder jedem jeden ihr sein "
      "dritten");
  return set;
}
const WordSet& german_behind_ordinal() {
  static const WordSet set = words_of(
      "Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember "
      "Jahrhundert Jahrhunderts Jahrhunderte Platz Klasse Auflage Mal");
  return set;
}

// Words longer than this are in no list.
constexpr std::size_t kLongestWord = 24;

bool is_line_break(char32_t c) {
  return (c >= '\n' && c <= '\r') || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool is_dot(char32_t c) { return c == '.' || c == 0x2026; }

// These end a sentence without a space behind them.
constexpr std::u32string_view kWideTerminators =
    U"\u0589\u061E\u061F\u06D4\u0700\u0701\u0702"  // Armenian, Arabic, Urdu, Syriac
    U"\u0964\u0965\u104A\u104B\u17D4\u17D5"        // danda, Burmese, Khmer
    U"\u1362\u1367\u1368\u1803\u1809"              // Ethiopic, Mongolian
    U"\u203C\u2047\u2048\u2049"                    // !!, ??, ?!, !?
    U"\u3002\uFE52\uFE56\uFE57"                    // Chinese and Japanese, small forms
    U"\uFF01\uFF0E\uFF1F\uFF61";                   // full-width and half-width forms
// These may not begin a sentence (UAX #29's SContinue, without the hyphen, which begins items).
constexpr std::u32string_view kContinuing =
    U",;:\u2013\u2014\u060C\u061B\u3001\uFF0C\uFF1A\uFF1B\uFF64";

bool is_wide_terminator(char32_t c) {
  return c >= kWideTerminators.front() && kWideTerminators.find(c) != std::u32string_view::npos;
}

bool continues(char32_t c) { return kContinuing.find(c) != std::u32string_view::npos; }

bool is_terminator(char32_t c) {
  if (c < 0x80) return c == '.' || c == '!' || c == '?';
  return c == 0x2026 || is_wide_terminator(c);
}

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_digit(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 0x80 && category(c) == UTF8PROC_CATEGORY_ND);
}

bool is_lower(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 0x80 && category(c) == UTF8PROC_CATEGORY_LL);
}

bool is_upper(char32_t c) {
  return (c >= 'A' && c <= 'Z') || (c >= 0x80 && category(c) == UTF8PROC_CATEGORY_LU);
}

bool is_caseless(char32_t c) {  // a letter of a script without capitals
  return c >= 0x80 && category(c) == UTF8PROC_CATEGORY_LO;
}

bool is_opening(char32_t c) {  // brackets and quotes that a word may begin with
  if (c < 0x80) return c == '(' || c == '[' || c == '{' || c == '"' || c == '\'' || c == '*';
  const utf8proc_category_t is = category(c);
  return is == UTF8PROC_CATEGORY_PS || is == UTF8PROC_CATEGORY_PI || is == UTF8PROC_CATEGORY_PF ||
         c == 0xBF || c == 0xA1;
}

// Quotes that open in one language close in another (German “): behind a full stop without a space
// they close. Where no space is written at all, they open.
bool is_closing(char32_t c, bool is_wide, bool in_quotes) {
  if (c == '"') return !is_wide || in_quotes;
  if (c < 0x80) return c == ')' || c == ']' || c == '}' || c == '\'';
  const utf8proc_category_t is = category(c);
  return is == UTF8PROC_CATEGORY_PE || is == UTF8PROC_CATEGORY_PF ||
         (is == UTF8PROC_CATEGORY_PI && !is_wide);
}

std::string in_lower_case(std::string_view word) {
  std::string lower(word);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

bool is_roman(std::string_view word) {
  return !word.empty() && word.find_first_not_of("IVXLC") == std::string_view::npos;
}

bool is_number(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_one_letter(std::string_view word) {
  if (word.empty()) return false;
  std::size_t at = 0;
  const char32_t c = next_character(word, at);
  return at == word.size() && (is_upper(c) || is_lower(c));
}

// J, U.S, a.m: letters with full stops between them; of one letter, a capital.
bool is_initials(std::string_view word) {
  for (std::size_t at = 0, letters = 0;; ++at) {
    if (at == word.size()) return false;
    const char32_t c = next_character(word, at);
    if (!is_upper(c) && !is_lower(c) && (!is_caseless(c) || is_unspaced(c))) return false;
    ++letters;
    if (at == word.size()) return letters > 1 || !is_lower(c);
    if (word[at] != '.') return false;
  }
}

class SentenceSplitter {
 public:
  explicit SentenceSplitter(std::string_view text) : text_(text) {}

  std::vector<std::string_view> split() {
    while (at_ < text_.size()) {
      const std::size_t begin = at_;
      const char32_t c = next_character(text_, at_);
      if (c == '"') in_quotes_ = !in_quotes_;
      if (is_line_break(c)) {
        end_sentence(begin);
        in_quotes_ = false;
      } else if (is_terminator(c)) {
        read_terminator(begin, c);
      }
    }
    end_sentence(at_);
    return std::move(sentences_);
  }

 private:
  void end_sentence(std::size_t end) {
    const std::string_view sentence = trim_white_space(text_.substr(begin_, end - begin_));
    if (!sentence.empty()) sentences_.push_back(sentence);
    begin_ = end;
  }

  char32_t character_at(std::size_t at) const { return next_character(text_, at); }

  // A terminator at `first`, of which at_ stands behind the first character.
  void read_terminator(std::size_t first, char32_t c) {
    bool is_wide = is_wide_terminator(c), is_stop = is_dot(c), is_closed = false;
    std::int64_t terminators = 1;
    for (std::size_t behind = at_; behind < text_.size(); at_ = behind) {
      const char32_t more = next_character(text_, behind);
      if (is_terminator(more)) {
        ++terminators;
        is_wide = is_wide || is_wide_terminator(more);
        is_stop = is_stop && is_dot(more);
      } else if (is_closing(more, is_wide, in_quotes_)) {
        is_closed = true;
        if (more == '"') in_quotes_ = !in_quotes_;
      } else {
        break;
      }
    }
    const std::size_t end = at_;
    while (at_ < text_.size()) {
      std::size_t behind = at_;
      const char32_t space = next_character(text_, behind);
      if (!is_white_space(space) || is_line_break(space)) break;
      at_ = behind;
    }
    if (at_ == text_.size() || is_line_break(character_at(at_))) return;  // ends there anyway
    const char32_t next = character_at(at_);
    if (continues(next) || is_terminator(next)) return;
    bool ends = false;
    if (is_wide) {
      ends = !(c == 0xFF0E && is_digit(next)) && !(is_closed && is_quotative(at_));
    } else if (at_ == end) {  // an address, a file's name; or a script without capitals
      ends = terminators == 1 && c != 0x2026 && is_caseless(next) && first > begin_ &&
             is_caseless(character_at(previous_character(text_, first))) &&
             !is_initials(word_before(first));
    } else if (is_lower(first_letter(at_))) {  // "Why?" he asked; the panic! macro
      ends = false;
    } else {
      ends = !is_stop || terminators > 1 || c == 0x2026 || !is_abbreviation(first);
    }
    if (ends) end_sentence(end);
  }

  // Japanese: a closed quotation and と or って, which say who said it.
  bool is_quotative(std::size_t at) const {
    const std::string_view rest = text_.substr(at);
    return rest.starts_with("と") || rest.starts_with("って");
  }

  // Of the word at `at`, behind the brackets and quotes before it.
  std::size_t behind_opening(std::size_t at) const {
    while (at < text_.size()) {
      std::size_t behind = at;
      if (!is_opening(next_character(text_, behind))) break;
      at = behind;
    }
    return at;
  }
  char32_t first_letter(std::size_t at) const {
    at = behind_opening(at);
    return at < text_.size() ? character_at(at) : U' ';
  }

  // The word that ends at `end`, without opening brackets; empty if it is a long one.
  std::string_view word_before(std::size_t end) const {
    std::size_t begin = end;
    while (begin > begin_) {
      const std::size_t previous = previous_character(text_, begin);
      const char32_t c = character_at(previous);
      if (is_white_space(c) || is_opening(c) || c == 0x2014 || c == '/') break;
      if (end - previous > kLongestWord) return {};
      begin = previous;
    }
    return text_.substr(begin, end - begin);
  }

  // The letters and digits at `at`; empty if they are many.
  std::string_view word_behind(std::size_t at) const {
    const std::size_t begin = behind_opening(at);
    std::size_t end = begin;
    while (end < text_.size()) {
      std::size_t behind = end;
      const char32_t c = next_character(text_, behind);
      if (!is_upper(c) && !is_lower(c) && !is_digit(c)) break;
      if (behind - begin > kLongestWord) return {};
      end = behind;
    }
    return text_.substr(begin, end - begin);
  }

  // Whether the single full stop at `stop` belongs to its word, before the word at at_.
  bool is_abbreviation(std::size_t stop) const {
    const std::string_view word = word_before(stop);
    if (word.empty()) return false;
    const std::string_view next = word_behind(at_);
    const bool begins_sentence = text_.data() + begin_ + kLongestWord > word.data() &&
                                 trim_white_space(text_.substr(begin_, stop - begin_)) == word;
    if (is_number(word)) {
      if (begins_sentence) return true;  // of a list
      return word.size() <= 2 &&
             (german_behind_ordinal().contains(next) ||
              german_before_ordinal().contains(in_lower_case(previous_word(word))));
    }
    const std::string lower = in_lower_case(word);
    if (never_last().contains(lower)) return true;
    if (before_number().contains(lower) && !next.empty() &&
        (is_digit(first_letter(at_)) || is_roman(next) || is_one_letter(next)))
      return true;
    if (is_initials(word) || seldom_last().contains(lower)) return !starters().contains(next);
    return is_one_letter(word) && (begins_sentence || is_one_letter(next));  // a list's a., z. B.
  }

  std::string_view previous_word(std::string_view word) const {
    std::size_t end = static_cast<std::size_t>(word.data() - text_.data());
    while (end > begin_ && text_[end - 1] == ' ') --end;
    return word_before(end);
  }

  std::string_view text_;
  std::vector<std::string_view> sentences_;
  std::size_t begin_ = 0, at_ = 0;  // of the sentence; what is read next
  bool in_quotes_ = false;          // of the undirected kind, in this block
};

}  // namespace

std::vector<std::string_view> split_sentences(std::string_view text) {
  const std::size_t bad = find_invalid_utf8(text);
  if (bad != std::string_view::npos)
    throw_error(ErrorKind::kData, "text to be split into sentences is not UTF-8: byte ", bad,
                " of ", text.size(), " does not belong to a character; convert it to UTF-8");
  return SentenceSplitter(text).split();
}

}  // namespace attune
