#include "pipeline/report/systems_section.h"

#include <cmath>
#include <cstdio>
#include <vector>

#include "core/error.h"
#include "core/memory.h"
#include "pipeline/report/html.h"
#include "pipeline/report/numbers.h"
#include "pipeline/report/page_frame.h"

namespace attune {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// Null where `object` is none or lacks the key.
Json member(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found == object.end() ? Json() : *found;
}

double number(const Json& value) { return value.is_number() ? value.get<double>() : NAN; }

std::string text(const Json& value) { return value.is_string() ? value.get<std::string>() : ""; }

std::string name_of(const Json& model, const char* key) {
  return "<bdi>" + escape_cut(system_label(text(member(model, key))), 80) + "</bdi>";
}

std::string p_text(double p) {
  if (!std::isfinite(p)) return "";
  if (p < 0.001) return "&lt; 0.001";
  char text[16];
  std::snprintf(text, sizeof text, "%.3f", std::fmin(p, 1));
  return text;
}

// The one that the page's verdict is about: NDCG at 10, or at the largest k.
std::string headline_of(const Json& model) {
  std::string headline;
  if (model.is_object())
    for (const auto& [key, value] : model.items())
      if (key.starts_with("ndcg@") && headline != "ndcg@10") headline = key;
  return headline;
}

std::string quality_table(const Json& models) {
  const std::string metric = headline_of(models.front());
  if (metric.empty()) return "";
  Rows rows = {
      {"System", metric_label(metric), "Against", "Points", "95 % interval", "p", "p, corrected"}};
  int candidates = 1;
  for (const Json& model : models) {
    rows.push_back(
        {name_of(model, "model"), metric_text(number(member(model, metric))), "", "", "", "", ""});
    const Json gain = member(member(model, "gain"), metric);
    if (!gain.is_array() || gain.size() != 3) continue;
    const PairedDifference difference{number(gain[0]), number(gain[1]), number(gain[2])};
    std::vector<std::string>& row = rows.back();
    row[2] = name_of(model, "against");
    row[3] = points_text(difference.difference);
    row[4] = interval_text(difference);
    row[5] = p_text(number(member(member(model, "p"), metric)));
    row[6] = p_text(number(member(member(model, "corrected_p"), metric)));
    if (const double comparisons = number(member(model, "comparisons")); comparisons > candidates)
      candidates = static_cast<int>(std::fmin(comparisons, 1000));
  }
  return html_table(rows) +
         str_cat(
             "<p class=\"note\">p: how often chance alone would make such a difference (paired "
             "randomisation test, two-sided). ",
             candidates > 1 ? str_cat("The intervals of the ", candidates,
                                      " candidates hold together (Bonferroni), and the corrected p "
                                      "counts that the best of them is looked for (Holm); BM25 and "
                                      "indexes are yardsticks and stand for themselves.")
                            : "",
             "</p>\n");
}

std::string bytes_text(double bytes) {
  return bytes >= 0 && bytes < 1e18 ? memory_text(static_cast<std::int64_t>(bytes)) : "not known";
}

std::string cost_table(const Json& evaluation, const Json& models) {
  Rows rows = {
      {"System", "One query, median", "95 of 100 below", "Passages a second", "Memory", "Disk"}};
  for (const Json& model : models) {
    const Json cost = member(model, "cost");
    if (!cost.is_object()) continue;
    const auto value = [&](const char* key) { return number(member(cost, key)); };
    rows.push_back({name_of(model, "model"), plain_text(value("query_ms_p50")) + " ms",
                    plain_text(value("query_ms_p95")) + " ms",
                    plain_text(std::round(value("passages_per_second"))),
                    bytes_text(value("memory_bytes")), bytes_text(value("disk_bytes"))});
  }
  if (rows.size() == 1) return "";
  const std::string device = text(member(member(evaluation, "machine"), "device"));
  return html_table(rows) +
         str_cat("<p class=\"note\">Measured once, on ",
                 device.empty() ? "this machine" : escape_cut(device, 200),
                 ", beside whatever else ran there. Memory is the most that tensors took; an "
                 "adapter's memory counts its base, its disk does not.</p>\n");
}

}  // namespace

std::string systems_section(const Json& evaluation) {
  const Json models = member(evaluation, "models");
  if (!models.is_array() || models.empty()) return "";
  return quality_table(models) + cost_table(evaluation, models);
}

}  // namespace attune
