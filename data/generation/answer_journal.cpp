#include "data/generation/answer_journal.h"

#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

constexpr std::string_view kBeginning = R"({"attune_answers": 1, )";

[[noreturn]] void throw_foreign(const std::string& path, const std::string& what) {
  throw_error(ErrorKind::kData, path, ": ", what,
              "; nothing in it was changed: go on with what it was begun with, or move the file "
              "away to ask the model anew");
}

[[noreturn]] void throw_damaged(const std::string& place, const std::string& what) {
  throw_error(ErrorKind::kData, place, ": ", what,
              ": the journal is damaged; take the line out, and its passage is asked again");
}

// The header's line says the same as `header`, key by key.
void check_header(const std::string& path, std::string_view line, const JournalHeader& header) {
  Json found;
  try {
    found = parse_json(line, path);
  } catch (const Error&) {
    throw_foreign(path, "the first line is not the header of a journal of answers");
  }
  const Json expected = header.to_json();
  if (!found.is_object() || !found.contains("attune_answers"))
    throw_foreign(path, "the first line is not the header of a journal of answers");
  for (const auto& member : expected.items()) {
    const auto at = found.find(member.key());
    if (at != found.end() && *at == member.value()) continue;
    throw_foreign(
        path, str_cat("this is a journal of other ",
                      member.key() == "passages" ? "documents" : member.key(), ": ", member.key(),
                      " is ", at == found.end() ? "missing" : at->dump().substr(0, 100),
                      " in it and ", member.value().dump(), " now"));
  }
}

std::int64_t count_at(const Json& value, const char* key, const std::string& place) {
  const auto found = value.find(key);
  if (found == value.end() || !found->is_number_integer() || found->get<double>() < 0 ||
      found->get<double>() > 1e15)
    throw_damaged(place, str_cat("'", key, "' is not a count"));
  return found->get<std::int64_t>();
}

std::pair<std::string, JournaledAnswer> read_answer(std::string_view line,
                                                    const std::string& place) {
  Json value;
  try {
    value = parse_json(line, place);
  } catch (const Error& error) {
    throw_damaged(place, "this is not JSON");
  }
  if (!value.is_object()) throw_damaged(place, "this is not a JSON object");
  const auto text = [&](const char* key) {
    const auto found = value.find(key);
    if (found == value.end() || !found->is_string())
      throw_damaged(place, str_cat("'", key, "' is not a string"));
    return found->get<std::string>();
  };
  const auto cut_off = value.find("cut_off");
  if (cut_off == value.end() || !cut_off->is_boolean())
    throw_damaged(place, "'cut_off' is neither true nor false");
  return {text("passage"),
          {text("answer"), cut_off->get<bool>(),
           TokenUsage{count_at(value, "prompt_tokens", place),
                      count_at(value, "completion_tokens", place)}}};
}

}  // namespace

Json JournalHeader::to_json() const {
  return {{"attune_answers", 1},       {"documents", documents},
          {"passages", passages},      {"model", model},
          {"prompt", prompt},          {"questions_per_passage", questions_per_passage},
          {"temperature", temperature}};
}

Fingerprint fingerprint_of_passages(const Passages& passages) {
  Sha256 hash;
  for (const Passage& passage : passages.rows) hash.update(passage.id).update("\n");
  return hash.hex();
}

JournaledAnswers read_journal(const std::string& path, const JournalHeader& header,
                              const Passages& passages) {
  JournaledAnswers answers;
  if (!file_exists(path)) return answers;
  const std::string bytes = read_file(path);
  std::string_view rest = bytes;
  std::unordered_set<std::string_view> known;
  for (const Passage& passage : passages.rows) known.insert(passage.id);
  for (std::int64_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    if (end ==
        std::string_view::npos) {  // unfinished; but a header that is none is not ours to cut
      // A power failure may leave zeros in place of what was not synced.
      while (rest.ends_with('\0')) rest.remove_suffix(1);
      if (number == 1 && !rest.starts_with(kBeginning) && !kBeginning.starts_with(rest))
        throw_foreign(path, "the first line is not the header of a journal of answers");
      break;
    }
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (number == 1) {
      check_header(path, line, header);
      continue;
    }
    const std::string place = str_cat(path, ":", number);
    auto [id, answer] = read_answer(line, place);
    if (!known.contains(id)) throw_damaged(place, str_cat("there is no passage '", id, "'"));
    if (!answers.emplace(std::move(id), std::move(answer)).second)
      throw_damaged(place, "this passage was answered on an earlier line");
  }
  return answers;
}

AnswerJournal::AnswerJournal(const std::string& path, const JournalHeader& header,
                             const Passages& passages)
    : answers_(read_journal(path, header, passages)) {
  file_.emplace(path);  // cuts off an unfinished last line
  if (!answers_.empty() || read_file(path, std::size_t{4} << 30).find('\n') != std::string::npos)
    return;
  file_->append_line(dump_json_like_python(header.to_json(), -1));
  file_->sync();
}

void AnswerJournal::add(const std::string& passage_id, JournaledAnswer answer) {
  ATTUNE_ASSERT(!answers_.contains(passage_id));
  file_->append_line(dump_json_like_python({{"passage", passage_id},
                                            {"answer", answer.text},
                                            {"cut_off", answer.cut_off},
                                            {"prompt_tokens", answer.usage.prompt},
                                            {"completion_tokens", answer.usage.completion}},
                                           -1));
  file_->sync();
  answers_.emplace(passage_id, std::move(answer));
}

}  // namespace attune
