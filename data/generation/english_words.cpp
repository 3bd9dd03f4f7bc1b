#include "data/generation/english_words.h"

#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "data/generation/question_words.h"

namespace attune {
namespace {

using WordSet = std::unordered_set<std::string_view>;

// The words of a list that is separated by spaces; the list must live for ever.
WordSet words_of(std::string_view list) {
  WordSet words;
  for (WordReader reader(list); reader.next();) words.insert(reader.word());
  return words;
}

constexpr std::string_view kVerbs =
    "access add append apply assign attach avoid build bundle cancel change check choose clean "
    "clone close collect combine compare compile compute concatenate configure connect construct "
    "control convert copy count create customize cut debug declare decode define delete deploy "
    "deserialize detect determine diagnose disable display distribute download draw edit embed "
    "enable encode encrypt escape evaluate execute exclude export expose extend extract filter "
    "find fix force format generate get grant handle hide identify ignore implement import improve "
    "include increase inherit initialize insert inspect install instantiate integrate interrupt "
    "invoke iterate launch limit link load locate make manage measure merge migrate minimize "
    "modify "
    "monitor mount move obtain open optimize organize override parse pass perform pickle place "
    "prevent print process produce protect provide publish raise read receive record redirect "
    "reduce refactor register reload remove rename render replace request reset resolve restart "
    "restore restrict resume retrieve return reuse run save schedule search select send separate "
    "serialize serve set share skip solve sort specify split start stop store submit suppress "
    "switch terminate test throw track train transfer transform translate treat turn unpack update "
    "upgrade upload use validate verify view wait work wrap write";

}  // namespace

bool is_english(std::string_view text) {
  static const WordSet kWords = words_of(
      "the and to that it with are be this by not if which from you when can has have was "
      "will or for of is");
  std::int64_t count = 0, known = 0;
  for (WordReader words(text); words.next(); ++count)
    if (words.word().size() <= 8) known += kWords.contains(lower_case(words.word()));
  return known > 0 && known * 100 >= count * 15;
}

bool is_english_stop_word(std::string_view word) {
  if (const std::size_t apostrophe = word.find("’"); apostrophe != std::string_view::npos)
    return is_english_stop_word(std::string(word).replace(apostrophe, 3, "'"));
  static const WordSet kWords = words_of(
      "a about above across actually after afterwards again against all almost alone along already "
      "also although always am among an and another any anybody anyone anything anyway anywhere "
      "are "
      "aren't around as at away back be became because become becomes been before behind being "
      "below "
      "between both but by can can't cannot could couldn't did didn't do does doesn't doing don't "
      "done down during each either else enough etc even ever every everyone everything few first "
      "for from further get gets give given gives go goes got had has have haven't having he hence "
      "her here hers him himself his how however i i.e if in inside instead into is isn't it it's "
      "its "
      "itself just keep last later least less let let's like likely made make makes many may maybe "
      "me "
      "means might mine more moreover most mostly much must my myself near need needs neither "
      "never "
      "nevertheless next no nobody none nor not nothing now nowhere of off often on once one ones "
      "only onto or other others otherwise our ours ourselves out outside over own per perhaps "
      "please "
      "quite rather really same say second see seem seems several shall she should shouldn't since "
      "so some someone something sometimes soon still such than that that's the their theirs them "
      "themselves then there there's therefore these they they're thing things third this those "
      "though through throughout thus to together too toward towards under unless unlike until up "
      "upon us use used useful uses using usually various very via want was wasn't way ways we "
      "we'll "
      "we're well were weren't what what's whatever when whenever where whereas wherever whether "
      "which whichever while who whoever whole whom whose why will with within without won't would "
      "wouldn't yet you you'll you're you've your yours yourself e.g i'm we've both two three new "
      "following follow follows example examples note case cases called calling call able allow "
      "allows provide provides provided possible different want-to take takes taken look looks");
  return kWords.contains(word);
}

bool points_elsewhere(std::string_view word) {
  static const WordSet kWords = words_of(
      "this that these those it its it's itself they them their theirs he him his she her hers we "
      "us "
      "our ours here there above below following previous preceding latter former such same so one "
      "ones other others another again instead then also else both either neither each earlier "
      "later "
      "next first second third last i me my what which who whose how thing things something bit");
  return kWords.contains(word);
}

bool is_vague_noun(std::string_view word) {
  static const WordSet kWords = words_of(
      "advantage alternative answer approach aim benefit caveat cause change choice code "
      "conclusion "
      "consequence default difference disadvantage downside drawback effect exception fact feature "
      "function goal idea implication intent intention issue key kind limitation lot main method "
      "name note number objective option order output part point problem process purpose question "
      "reason rest result return rule section side solution sort step table task text trick type "
      "value variable version warning program line file class object argument parameter field "
      "input string figure chapter document list item data others optional additional default "
      "current "
      "given specified");
  return kWords.contains(word);
}

bool is_profession(std::string_view word) {
  static const WordSet kWords = words_of(
      "activist actor actress architect artist astronomer athlete author biologist businessman "
      "businesswoman chemist composer dancer director economist emperor engineer entrepreneur "
      "footballer general historian inventor journalist judge king lawyer mathematician musician "
      "novelist painter philosopher photographer physician physicist player poet politician pope "
      "president priest prince princess producer professor programmer queen rapper ruler saint "
      "scholar scientist sculptor singer soldier songwriter theologian writer");
  return kWords.contains(word);
}

bool is_instruction_verb(std::string_view word) {
  static const WordSet kWords = words_of(kVerbs);
  return kWords.contains(word);
}

std::optional<std::string> base_of_gerund(const std::string& gerund) {
  // Both spellings of each verb that may double its last consonant: the wrong one is no word.
  static const std::unordered_map<std::string, std::string> kBases = [] {
    std::unordered_map<std::string, std::string> bases;
    for (WordReader verbs(kVerbs); verbs.next();) {
      const std::string base(verbs.word());
      const std::string stem = base.ends_with('e') ? base.substr(0, base.size() - 1) : base;
      bases.emplace(stem + "ing", base);
      if (!base.ends_with('e')) bases.emplace(base + base.back() + "ing", base);
    }
    return bases;
  }();
  const auto found = kBases.find(gerund);
  return found == kBases.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace attune
