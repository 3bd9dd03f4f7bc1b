#include "retrieval/gate.h"

#include <algorithm>
#include <charconv>

#include "core/config_reader.h"
#include "core/error.h"

namespace attune {
namespace {

Gate parse_gate(const std::string& text, const std::vector<std::string>& metrics) {
  const std::size_t equals = text.find('=');
  const std::string number = equals == std::string::npos ? "" : text.substr(equals + 1);
  Gate gate{text.substr(0, equals), -1};
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), gate.least);
  if (error != std::errc() || end != number.data() + number.size() || !(gate.least >= 0) ||
      gate.least > 1)
    throw_error(ErrorKind::kConfig, "--fail-under ", text,
                ": expected METRIC=VALUE with a value from 0 to 1, such as ndcg@10=0.70");
  if (std::find(metrics.begin(), metrics.end(), gate.metric) == metrics.end()) {
    const auto close = nearest(gate.metric, metrics);
    throw_error(ErrorKind::kConfig, "--fail-under ", text, ": '", gate.metric, "' is not measured",
                close ? " (did you mean '" + *close + "'?)" : "",
                "; metrics are hit_rate, precision, recall, mrr and ndcg at the cut-offs of --k or "
                "evaluate.k, as in ndcg@10");
  }
  return gate;
}

}  // namespace

std::vector<Gate> parse_gates(const std::vector<std::string>& texts, const std::vector<int>& k) {
  const std::vector<std::string> metrics = compute_metrics({}, k).names;
  std::vector<Gate> gates;
  for (const std::string& text : texts) gates.push_back(parse_gate(text, metrics));
  return gates;
}

void check_gates(std::span<const Gate> gates, const MetricTable& table, const std::string& model) {
  std::string missed;
  for (const Gate& gate : gates) {
    const double value = table.mean(gate.metric);
    if (!(value >= gate.least))
      missed +=
          str_cat(missed.empty() ? "" : ", ", gate.metric, " is ", value, ", below ", gate.least);
  }
  if (!missed.empty()) throw_error(ErrorKind::kFailed, "gate not met: ", model, ": ", missed);
}

}  // namespace attune
