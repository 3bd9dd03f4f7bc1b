#include "pipeline/report/question_section.h"

#include <algorithm>

#include "core/error.h"
#include "pipeline/report/examples.h"
#include "pipeline/report/html.h"
#include "pipeline/report/numbers.h"
#include "pipeline/report/page_frame.h"

namespace attune {
namespace {

constexpr std::size_t kPassagesShown = 3, kPassageCharacters = 260, kQuestionCharacters = 400;
constexpr std::size_t kIdCharacters = 80;
// Whatever the texts are, the page stays below 500 KB.
constexpr std::size_t kMaxBytes = 280000;

std::string rank_text(std::int64_t rank) {
  return rank == 0 ? "not found" : str_cat("rank ", rank);
}

// The id too, where the text is gone.
std::string passage_text(const RecordedRun& run, const std::string& id) {
  const std::int64_t row = run.test ? run.test->corpus.find(id) : -1;
  if (row < 0) return "passage " + escape_cut(id, kIdCharacters);
  return escape_cut(run.test->corpus.text(row), kPassageCharacters);
}

std::string passage_item(const RecordedRun& run, const std::string& id, const std::string& place,
                         bool is_right) {
  return str_cat("<li", is_right ? " class=\"right\"" : "", "><b>", place, is_right ? " ✓" : "",
                 "</b><bdi>", passage_text(run, id), "</bdi></li>");
}

std::string found_list(const RecordedRun& run, const QueryResult& result) {
  std::string items;
  const std::size_t shown = std::min(result.found.size(), kPassagesShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto rank = static_cast<std::int64_t>(i) + 1;
    const bool is_right =
        std::find(result.ranks.begin(), result.ranks.end(), rank) != result.ranks.end();
    items += passage_item(run, result.found[i].id, std::to_string(rank), is_right);
  }
  return items.empty() ? "<p class=\"quiet\">nothing found</p>" : "<ol>" + items + "</ol>";
}

// The passages that were to be found, where neither list shows one.
std::string wanted_list(const RecordedRun& run, const std::string& query_id,
                        const Example& example) {
  const auto is_shown = [](std::int64_t rank) {
    return rank > 0 && rank <= static_cast<std::int64_t>(kPassagesShown);
  };
  if (!run.test || is_shown(example.rank_before) || is_shown(example.rank_after)) return "";
  const std::int64_t row = run.test->queries.find(query_id);
  if (row < 0 || run.test->relevant_docs[row].empty()) return "";
  return str_cat(
      "<div><h4>Right answer</h4><ol>",
      passage_item(run, run.test->corpus.id(run.test->relevant_docs[row].front()), "", true),
      "</ol></div>");
}

std::string shown_example(const RecordedRun& run, const Verdict& verdict, const Example& example,
                          bool is_open) {
  const QueryResults& results = *run.results;
  const std::string& id = results.query_ids[example.query];
  const std::int64_t row = run.test ? run.test->queries.find(id) : -1;
  const std::string question = row < 0
                                   ? "question " + escape_cut(id, kIdCharacters)
                                   : escape_cut(run.test->queries.text(row), kQuestionCharacters);
  std::string html =
      str_cat("<details class=\"question\"", is_open ? " open" : "", "><summary><bdi>", question,
              "</bdi><span class=\"moved ", example.change > 0 ? "up" : "down", "\">",
              rank_text(example.rank_before), " → ", rank_text(example.rank_after), " · ",
              points_text(example.change), " points</span></summary><div class=\"pair\">");
  for (const std::string& system : {verdict.reference, verdict.candidate})
    html +=
        str_cat("<div><h4>", system_label(system), "</h4>",
                found_list(run, results.of[results.find_system(system)][example.query]), "</div>");
  return html + wanted_list(run, id, example) + "</div></details>\n";
}

std::string shown_list(const RecordedRun& run, const Verdict& verdict, const std::string& title,
                       const std::vector<Example>& examples, std::size_t& bytes) {
  if (examples.empty()) return "";
  std::string html = "<h3>" + title + "</h3>\n";
  for (const Example& example : examples) {
    std::string one = shown_example(run, verdict, example, &example == examples.data());
    if (bytes + one.size() > kMaxBytes)
      return html +
             "<p class=\"note\">Further ones are left out: "
             "the page would grow too large.</p>\n";
    bytes += one.size();
    html += one;
  }
  return html;
}

}  // namespace

std::string question_section(const RecordedRun& run, const Verdict& verdict, int count) {
  if (!run.results || verdict.kind == Verdict::Kind::kUnmeasured || count < 1) return "";
  const Examples examples = choose_examples(*run.results, verdict, static_cast<std::size_t>(count));
  std::size_t bytes = 0;
  const std::string lists = shown_list(run, verdict, "Got worse", examples.worst, bytes) +
                            shown_list(run, verdict, "Got better", examples.best, bytes);
  if (lists.empty()) return "<p>The ranking of every question is as it was.</p>\n";
  return str_cat("<p>Those whose ", metric_label(verdict.headline.metric),
                 " changed most, with the first ", kPassagesShown,
                 " passages that each system found. A right answer is marked ✓.</p>\n", lists);
}

}  // namespace attune
