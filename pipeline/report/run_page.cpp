#include "pipeline/report/run_page.h"

#include "core/error.h"
#include "pipeline/report/diagnosis.h"
#include "pipeline/report/html.h"
#include "pipeline/report/numbers.h"
#include "pipeline/report/page_frame.h"
#include "pipeline/report/quality_sections.h"
#include "pipeline/report/question_section.h"
#include "pipeline/report/record_sections.h"
#include "pipeline/report/systems_section.h"
#include "pipeline/report/training_section.h"

namespace attune {
namespace {

using Kind = Verdict::Kind;

std::string headline(const RecordedRun& run, const Verdict& verdict) {
  const std::string metric = metric_label(verdict.headline.metric);
  std::string points = points_text(verdict.headline.difference.difference);
  if (const std::size_t digit = points.find_first_of("0123456789"); digit != std::string::npos)
    points = points.substr(digit);
  switch (verdict.kind) {
    case Kind::kBetter:
      return str_cat("<h1 class=\"better\">Better: ", metric, " rose by ", points,
                     " points</h1>\n");
    case Kind::kWorse:
      return str_cat("<h1 class=\"worse\">Worse: ", metric, " fell by ", points, " points</h1>\n");
    case Kind::kUnclear:
      return "<h1>Not shown to be better</h1>\n";
    case Kind::kUnmeasured:
      break;
  }
  if (run.results) return "<h1>Measured, but beside nothing</h1>\n";
  if (run.has_diverged()) return "<h1 class=\"worse\">Diverged: there is no model</h1>\n";
  return run.stages.contains("train") ? "<h1>Trained, not measured</h1>\n"
                                      : "<h1>Not finished</h1>\n";
}

std::string lead(const RecordedRun& run, const Verdict& verdict) {
  if (verdict.kind == Kind::kUnmeasured) {
    std::string text = "<p class=\"lead\">";
    if (run.results)
      text +=
          "evaluate.baselines names neither base nor bm25, so there is nothing to compare the "
          "finetuned model with. ";
    for (const std::string& missing : run.missing) text += escape_html(missing) + " ";
    return text + "</p>\n";
  }
  const MetricChange& change = verdict.headline;
  const bool against_base = verdict.reference == "base";
  std::string text = str_cat("<p class=\"lead\">On ", counted(verdict.queries, "question"),
                             " of the test the finetuned model has ", metric_label(change.metric),
                             " ", metric_text(change.candidate), ", ",
                             against_base ? "its base " : "BM25 ", metric_text(change.reference));
  if (const int bm25 = run.results->find_system("bm25"); bm25 >= 0 && against_base)
    text += str_cat(" and BM25 ", metric_text(run.results->metrics(bm25).mean(change.metric)));
  text += ". ";
  if (verdict.kind == Kind::kUnclear && verdict.improved + verdict.worsened == 0)
    text += "Not one question got a better or worse answer.";
  else if (verdict.kind == Kind::kUnclear)
    text +=
        "A difference of zero is within the interval: with these questions nobody can say "
        "which is better.";
  return text + "</p>\n";
}

std::string tile(const std::string& title, const std::string& value, const std::string& detail) {
  return str_cat("<div class=\"tile\"><h3>", title, "</h3><strong>", value, "</strong><p>", detail,
                 "</p></div>\n");
}

std::string sure_tile(const Verdict& verdict) {
  const PairedDifference& difference = verdict.headline.difference;
  const char* value = verdict.kind == Kind::kUnclear ? "No" : "Yes, at 95 %";
  return tile("Am I sure?", value,
              str_cat("95 % interval of the change: ", interval_text(difference),
                      " points (paired bootstrap over the questions",
                      verdict.candidates > 1
                          ? str_cat(", for all ", verdict.candidates, " candidates at once")
                          : "",
                      ")."));
}

std::string tiles(const RecordedRun& run, const Verdict& verdict) {
  std::string out = "<div class=\"tiles\">\n";
  if (verdict.kind != Kind::kUnmeasured) {
    const MetricChange& change = verdict.headline;
    out += tile("By how much?", points_text(change.difference.difference) + " points",
                str_cat(metric_label(change.metric), ", ", metric_text(change.reference), " to ",
                        metric_text(change.candidate)));
    out += sure_tile(verdict);
    out +=
        tile("Question by question",
             str_cat(count_text(verdict.improved), " up, ", count_text(verdict.worsened), " down"),
             str_cat(count_text(verdict.queries - verdict.improved - verdict.worsened),
                     " as before, of ", count_text(verdict.queries), "."));
  }
  out += cost_tile(run);
  return out + "</div>\n";
}

std::string next_steps(const RecordedRun& run, const Verdict& verdict,
                       const std::vector<Finding>& findings) {
  const bool better = verdict.kind == Kind::kBetter;
  std::string out = better ? "<h2>What next</h2>\n" : "<h2>Why, and what next</h2>\n";
  out += "<ul class=\"findings\">\n";
  for (const Finding& finding : findings)
    out += str_cat("<li", finding.rule <= Finding::Rule::kOverfitting ? " class=\"grave\"" : "",
                   "><b>", escape_html(finding.title), "</b><span>", escape_html(finding.evidence),
                   ".</span>", escape_html(finding.advice), "</li>\n");
  if (better)
    out +=
        str_cat("<li><b>Use it.</b><span>It is in ",
                escape_html(unquoted(value_of(run.settings, "output"))), "/artifact; ",
                run.lineage.contains("adapter")
                    ? "attune embed --model takes the folder, and attune export makes it one for "
                      "sentence-transformers."
                    : "its README.md has the lines for sentence-transformers and attune.",
                "</span></li>\n");
  else if (findings.empty() && verdict.kind != Kind::kUnmeasured)
    out +=
        "<li><b>No rule found a cause.</b><span>Read the questions that got worse, below: what "
        "do they ask that training did not?</span></li>\n";
  else if (findings.empty() && !run.results && run.stages.contains("train"))
    out +=
        "<li><b>Measure it.</b><span>Add the section evaluate and run again: the training is "
        "not repeated.</span></li>\n";
  return out + "</ul>\n";
}

std::string notes(const RecordedRun& run, const Verdict& verdict) {
  if (verdict.kind == Kind::kUnmeasured || run.missing.empty()) return "";
  std::string out;
  for (const std::string& missing : run.missing)
    out += "<p class=\"note\">" + escape_html(missing) + "</p>\n";
  return out;
}

}  // namespace

std::string run_page(const RecordedRun& run, int examples) {
  const Verdict verdict = run.results ? judge(*run.results) : Verdict();
  const std::string head =
      str_cat("<p class=\"run\">Run ", escape_cut(run.name, 200), "</p>\n", headline(run, verdict),
              lead(run, verdict), tiles(run, verdict),
              next_steps(run, verdict, diagnose(run, verdict)), notes(run, verdict));
  std::vector<PageSection> sections;
  const auto add = [&](const char* id, const char* title, std::string body) {
    if (!body.empty()) sections.push_back({id, title, std::move(body)});
  };
  add("metrics", "Metrics", metrics_section(run, verdict));
  add("systems", "All systems", systems_section(run.evaluation));
  add("scores", "Similarities", scores_section(run));
  add("slices", "Parts of the test", slices_section(run, verdict));
  add("questions", "Questions", question_section(run, verdict, examples));
  add("training", "Training", training_section(run));
  add("data", "Data", data_section(run));
  add("cost", "Cost and machine", cost_section(run));
  add("settings", "Settings", settings_section(run));
  return framed_page("Run " + run.name, head, sections);
}

}  // namespace attune
