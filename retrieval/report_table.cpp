#include "retrieval/report_table.h"

#include <algorithm>
#include <cstdio>

#include "core/error.h"

namespace attune {
namespace {

// Code points: the columns that most terminals give a text.
std::size_t width_of(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::string four_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

using Cells = std::vector<std::vector<std::string>>;  // [row][column]

// The first column flush left, the others flush right, two spaces between.
std::string aligned(const Cells& cells) {
  std::vector<std::size_t> widths;
  for (const auto& row : cells) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const auto& row : cells) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - width_of(row[i]), ' ');
      out += i == 0 ? row[i] + space : "  " + space + row[i];
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

bool is_compared(const std::string& metric) { return !metric.starts_with("recall@"); }

}  // namespace

std::vector<std::string> primary_metrics(const MetricTable& table) {
  std::vector<std::string> shown;
  for (const std::string& name : table.names)
    if (name.starts_with("hit_rate@")) shown.push_back(name);
  for (const std::string prefix : {"mrr@", "ndcg@", "recall@"}) {
    std::string chosen;  // cut-offs ascend: 10, or else the last
    for (const std::string& name : table.names)
      if (name.starts_with(prefix) && chosen != prefix + "10") chosen = name;
    if (!chosen.empty()) shown.push_back(chosen);
  }
  return shown;
}

Gains gains_of(std::span<const Evaluation> systems) {
  ATTUNE_ASSERT(!systems.empty());
  const Evaluation& base = systems.front();
  Gains gains;
  for (const Evaluation& system : systems.subspan(1)) {
    ATTUNE_ASSERT(system.query_rows == base.query_rows);
    auto& of_system = gains.emplace_back();
    for (const std::string& metric : primary_metrics(base.metrics))
      if (is_compared(metric))
        of_system[metric] =
            paired_bootstrap(base.metrics.values(metric), system.metrics.values(metric));
  }
  return gains;
}

std::string report_table(std::span<const Evaluation> systems, const Gains& gains) {
  ATTUNE_ASSERT(!systems.empty());
  const Evaluation& base = systems.front();
  const std::vector<std::string> metrics = primary_metrics(base.metrics);

  Cells table(1, {"model"});
  table[0].insert(table[0].end(), metrics.begin(), metrics.end());
  for (const Evaluation& system : systems) {
    ATTUNE_ASSERT(system.query_rows == base.query_rows);
    std::vector<std::string>& row = table.emplace_back(1, system.model);
    for (const std::string& metric : metrics)
      row.push_back(four_digits(system.metrics.mean(metric)));
  }
  std::string out = aligned(table);

  for (std::size_t i = 1; i < systems.size(); ++i) {
    const Evaluation& system = systems[i];
    out += str_cat("\n", system.model, " against ", base.model, ", ", base.query_rows.size(),
                   base.query_rows.size() == 1 ? " query:\n" : " queries:\n");
    std::size_t widest = 0;
    for (const std::string& metric : metrics) widest = std::max(widest, metric.size());
    for (const std::string& metric : metrics) {
      if (!is_compared(metric)) continue;
      out += str_cat("  ", metric, std::string(widest + 2 - metric.size(), ' '),
                     verdict(gains[i - 1].at(metric)), "\n");
    }
  }
  return out;
}

Json evaluation_json(const Evaluation& evaluation) {
  Json out;
  out["model"] = evaluation.model;
  out["queries"] = evaluation.query_rows.size();
  for (const std::string& name : evaluation.metrics.names)
    out[name] = evaluation.metrics.mean(name);
  return out;
}

Json report_json(const std::string& dataset, std::span<const Evaluation> systems,
                 const Gains& gains) {
  Json out;
  out["dataset"] = dataset;
  out["models"] = Json::array();
  for (std::size_t i = 0; i < systems.size(); ++i) {
    Json& model = out["models"].emplace_back(evaluation_json(systems[i]));
    if (i == 0) continue;
    model["against"] = systems.front().model;
    for (const std::string& metric : primary_metrics(systems[i].metrics)) {
      if (!is_compared(metric)) continue;
      const PairedDifference& difference = gains[i - 1].at(metric);
      model["gain"][metric] = {difference.difference, difference.low, difference.high};
    }
  }
  return out;
}

}  // namespace attune
