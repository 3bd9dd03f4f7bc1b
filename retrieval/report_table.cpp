#include "retrieval/report_table.h"

#include <algorithm>
#include <cstdio>

#include "core/error.h"
#include "retrieval/randomisation.h"

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

constexpr int kResamples = 10000;
constexpr std::uint64_t kSeed = 42;

const Evaluation& reference_of(std::span<const Evaluation> systems, std::size_t system) {
  const std::string& against = systems[system].against;
  if (against.empty()) return systems.front();
  const auto found = std::find_if(systems.begin(), systems.end(),
                                  [&](const Evaluation& other) { return other.model == against; });
  ATTUNE_ASSERT(found != systems.end());
  return *found;
}

// ", p 0.012", of several candidates ", p 0.012, corrected 0.036".
std::string p_text(const Gain& gain) {
  char text[80];
  if (gain.difference.comparisons == 1)
    std::snprintf(text, sizeof text, ", p %.2g", gain.p);
  else
    std::snprintf(text, sizeof text, ", p %.2g, corrected %.2g", gain.p, gain.corrected_p);
  return text;
}

std::string number_text(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string mebibytes(std::int64_t bytes) {
  return number_text("%.1f", static_cast<double>(bytes) / (1 << 20));
}

// Empty where no cost was measured.
std::string cost_table(std::span<const Evaluation> systems) {
  Cells table = {{"cost", "query p50 ms", "p95 ms", "passages/s", "memory MiB", "disk MiB"}};
  for (const Evaluation& system : systems)
    if (const auto& cost = system.cost)
      table.push_back({system.model, number_text("%.2f", cost->query_ms_p50),
                       number_text("%.2f", cost->query_ms_p95),
                       number_text("%.0f", cost->passages_per_second),
                       mebibytes(cost->memory_bytes), mebibytes(cost->disk_bytes)});
  return table.size() == 1 ? "" : "\n" + aligned(table);
}

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

int num_candidates(std::span<const Evaluation> systems) {
  return static_cast<int>(std::count_if(systems.begin() + 1, systems.end(),
                                        [](const Evaluation& one) { return one.is_candidate; }));
}

Gains gains_of(std::span<const Evaluation> systems) {
  ATTUNE_ASSERT(!systems.empty());
  std::vector<std::size_t> candidates;
  for (std::size_t i = 1; i < systems.size(); ++i)
    if (systems[i].is_candidate) candidates.push_back(i);
  Gains gains(systems.size() - 1);
  for (const std::string& metric : primary_metrics(systems.front().metrics)) {
    if (!is_compared(metric)) continue;
    for (std::size_t i = 1; i < systems.size(); ++i) {
      const Evaluation &system = systems[i], &reference = reference_of(systems, i);
      ATTUNE_ASSERT(system.query_rows == reference.query_rows);
      const int comparisons = system.is_candidate ? static_cast<int>(candidates.size()) : 1;
      const std::vector<double>&before = reference.metrics.values(metric),
            &after = system.metrics.values(metric);
      Gain& gain = gains[i - 1][metric];
      gain.difference = paired_bootstrap(before, after, kResamples, kSeed, 0.95, comparisons);
      gain.p = gain.corrected_p = paired_randomisation(before, after, kResamples, kSeed);
    }
    std::vector<double> p;
    for (const std::size_t i : candidates) p.push_back(gains[i - 1][metric].p);
    const std::vector<double> corrected = holm(p);
    for (std::size_t i = 0; i < candidates.size(); ++i)
      gains[candidates[i] - 1][metric].corrected_p = corrected[i];
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
  std::string out = aligned(table) + cost_table(systems);

  for (std::size_t i = 1; i < systems.size(); ++i) {
    const Evaluation& system = systems[i];
    const Evaluation& reference = reference_of(systems, i);
    out += str_cat("\n", system.model, " against ", reference.model, ", ", base.query_rows.size(),
                   base.query_rows.size() == 1 ? " query:\n" : " queries:\n");
    std::size_t widest = 0;
    for (const std::string& metric : metrics) widest = std::max(widest, metric.size());
    for (const std::string& metric : metrics) {
      if (!is_compared(metric)) continue;
      const Gain& gain = gains[i - 1].at(metric);
      out += str_cat("  ", metric, std::string(widest + 2 - metric.size(), ' '),
                     verdict(gain.difference), p_text(gain), "\n");
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
  if (const auto& cost = evaluation.cost)
    out["cost"] = {{"query_ms_p50", cost->query_ms_p50},
                   {"query_ms_p95", cost->query_ms_p95},
                   {"passages_per_second", cost->passages_per_second},
                   {"memory_bytes", cost->memory_bytes},
                   {"disk_bytes", cost->disk_bytes}};
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
    model["against"] = reference_of(systems, i).model;
    for (const std::string& metric : primary_metrics(systems[i].metrics)) {
      if (!is_compared(metric)) continue;
      const Gain& gain = gains[i - 1].at(metric);
      const PairedDifference& difference = gain.difference;
      model["comparisons"] = difference.comparisons;
      model["gain"][metric] = {difference.difference, difference.low, difference.high};
      model["p"][metric] = gain.p;
      model["corrected_p"][metric] = gain.corrected_p;
    }
  }
  return out;
}

}  // namespace attune
