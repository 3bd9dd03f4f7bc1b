#include "pipeline/report/charts.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "pipeline/report/html.h"
#include "pipeline/report/numbers.h"

namespace attune {
namespace {

constexpr double kWidth = 440, kHeight = 210, kLeft = 46, kRight = 12, kTop = 10, kBottom = 36;
constexpr std::size_t kBins = 36;

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool is_empty() const { return !(low <= high); }
};

// 1, 2 or 5 times a power of ten, so that about `count` of them fill the range.
double tick_step(const Range& range, int count) {
  const double rough = (range.high - range.low) / count;
  const double unit = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * unit >= rough) return factor * unit;
  return 10 * unit;
}

std::vector<double> ticks(const Range& range, int count, bool whole) {
  double step = tick_step(range, count);
  if (whole) step = std::max(1.0, step);
  // Counted, because a range may be too narrow for its numbers to grow by a step.
  const double first = std::ceil(range.low / step - 1e-9);
  std::vector<double> values;
  for (int i = 0; i < 3 * count && (first + i) * step <= range.high + 1e-9 * step; ++i)
    values.push_back((first + i) * step);
  return values;
}

std::string tick_text(double value) {
  if (std::fabs(value) >= 10000 && std::fabs(value) < 1e15)
    return count_text(static_cast<std::int64_t>(std::llround(value)));
  return plain_text(std::fabs(value) < 1e-12 ? 0 : value);
}

// From values to the chart's coordinates.
struct Frame {
  Range x, y;
  double at_x(double value) const {
    return kLeft + (value - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight);
  }
  double at_y(double value) const {
    return kHeight - kBottom - (value - y.low) / (y.high - y.low) * (kHeight - kTop - kBottom);
  }
};

void widen(Range& range) {
  if (range.high > range.low) return;
  const double room = std::max(1e-9, std::fabs(range.low) * 0.1);
  range.low -= room;
  range.high += room;
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return str_cat("<text x=\"", coordinate(x), "\" y=\"", coordinate(y), "\" text-anchor=\"", anchor,
                 "\">", escape_html(text), "</text>");
}

std::string axes(const Frame& frame, const std::string& x_label, bool whole_x) {
  std::string svg;
  for (const double tick : ticks(frame.y, 4, false)) {
    const std::string y = coordinate(frame.at_y(tick));
    svg += str_cat("<line class=\"grid\" x1=\"", coordinate(kLeft), "\" x2=\"",
                   coordinate(kWidth - kRight), "\" y1=\"", y, "\" y2=\"", y, "\"/>");
    svg += text_at(kLeft - 6, frame.at_y(tick) + 4, "end", tick_text(tick));
  }
  for (const double tick : ticks(frame.x, 5, whole_x))
    svg += text_at(frame.at_x(tick), kHeight - kBottom + 16, "middle", tick_text(tick));
  svg += str_cat("<line class=\"axis\" x1=\"", coordinate(kLeft), "\" x2=\"",
                 coordinate(kWidth - kRight), "\" y1=\"", coordinate(kHeight - kBottom), "\" y2=\"",
                 coordinate(kHeight - kBottom), "\"/>");
  return svg + text_at(kWidth - kRight, kHeight - 4, "end", x_label);
}

std::string path_of(const Points& points, const Frame& frame) {
  std::string path;
  for (const auto& [x, y] : points)
    path += str_cat(path.empty() ? "M" : "L", coordinate(frame.at_x(x)), " ",
                    coordinate(frame.at_y(y)));
  return path;
}

std::string drawn(const Curve& curve, const Frame& frame) {
  std::string svg = str_cat("<path class=\"curve ", curve.style, curve.is_faint ? " faint" : "",
                            "\" d=\"", path_of(curve.points, frame), "\"/>");
  if (!curve.has_dots && curve.points.size() > 1) return svg;
  for (const auto& [x, y] : curve.points)
    svg += str_cat("<circle class=\"dot ", curve.style, "\" r=\"3\" cx=\"",
                   coordinate(frame.at_x(x)), "\" cy=\"", coordinate(frame.at_y(y)), "\"><title>",
                   escape_html(str_cat(curve.name, ": ", plain_text(y), " at ", plain_text(x))),
                   "</title></circle>");
  return svg;
}

std::string figure(const std::string& title, const std::string& legend, const std::string& svg) {
  return str_cat("<figure><figcaption>", escape_html(title), "</figcaption>", legend,
                 "<svg viewBox=\"0 0 ", coordinate(kWidth), " ", coordinate(kHeight),
                 "\" role=\"img\" aria-label=\"", escape_html(title), "\">", svg,
                 "</svg></figure>\n");
}

Points finite(const Points& points) {
  Points kept;
  for (const auto& point : points)
    if (std::isfinite(point.first) && std::isfinite(point.second)) kept.push_back(point);
  return kept;
}

}  // namespace

std::string legend_entry(const std::string& style, const std::string& name) {
  return str_cat("<span class=\"key\"><i class=\"swatch ", style, "\"></i>", escape_cut(name, 80),
                 "</span> ");
}

std::string line_chart(const LineChart& chart) {
  Frame frame;
  std::vector<Curve> curves = chart.curves;
  std::string legend;
  bool whole_x = true;
  std::size_t named = 0;
  for (Curve& curve : curves) {
    curve.points = finite(curve.points);
    for (const auto& [x, y] : curve.points) {
      frame.x.add(x);
      frame.y.add(y);
      whole_x = whole_x && x == std::floor(x);
    }
    if (curve.is_faint || curve.points.empty()) continue;
    ++named;
    legend += legend_entry(curve.style, curve.name);
  }
  if (frame.x.is_empty())
    return str_cat("<figure><figcaption>", escape_html(chart.title),
                   "</figcaption><p class=\"quiet\">no values</p></figure>\n");
  if (chart.from_zero) frame.y.add(0);
  widen(frame.x);
  widen(frame.y);
  const double room = 0.04 * (frame.y.high - frame.y.low);
  if (frame.y.low != 0) frame.y.low -= room;
  frame.y.high += room;
  std::string svg = axes(frame, chart.x_label, whole_x);
  for (const Curve& curve : curves)
    if (!curve.points.empty()) svg += drawn(curve, frame);
  return figure(chart.title, named > 1 ? "<div class=\"legend\">" + legend + "</div>" : "", svg);
}

std::string histogram(const std::string& title, const std::vector<Distribution>& distributions,
                      double low, double high) {
  Frame frame;
  frame.x = {low, high};
  widen(frame.x);
  frame.y.add(0);
  std::vector<std::vector<double>> shares;
  std::string legend;
  for (const Distribution& distribution : distributions) {
    std::vector<double>& bins = shares.emplace_back(kBins, 0.0);
    for (const double value : distribution.values) {
      const double place = (value - frame.x.low) / (frame.x.high - frame.x.low) * kBins;
      const auto bin = static_cast<std::size_t>(std::clamp(place, 0.0, kBins - 1.0));
      bins[bin] += 100.0 / static_cast<double>(distribution.values.size());
    }
    for (const double share : bins) frame.y.add(share);
    legend += legend_entry(distribution.style, distribution.name);
  }
  widen(frame.y);
  std::string svg = axes(frame, "similarity; share in %", false);
  const double width = (frame.x.high - frame.x.low) / kBins;
  for (std::size_t i = 0; i < distributions.size(); ++i) {
    std::string path =
        str_cat("M", coordinate(frame.at_x(frame.x.low)), " ", coordinate(frame.at_y(0)));
    for (std::size_t bin = 0; bin < kBins; ++bin)
      path += str_cat("V", coordinate(frame.at_y(shares[i][bin])), "H",
                      coordinate(frame.at_x(frame.x.low + static_cast<double>(bin + 1) * width)));
    svg += str_cat("<path class=\"area ", distributions[i].style, "\" d=\"", path, "V",
                   coordinate(frame.at_y(0)), "Z\"/>");
  }
  return figure(title, "<div class=\"legend\">" + legend + "</div>", svg);
}

std::string interval_bar(const PairedDifference& difference, double range) {
  const auto at = [&](double value) {
    return coordinate(100 + std::clamp(value / range, -1.0, 1.0) * 94);
  };
  const char* style = difference.better() ? "good" : difference.worse() ? "bad" : "open";
  return str_cat(
      "<svg class=\"bar ", style, "\" viewBox=\"0 0 200 18\" aria-hidden=\"true\">",
      "<line class=\"zero\" x1=\"100\" x2=\"100\" y1=\"0\" y2=\"18\"/><line class=\"range\" x1=\"",
      at(difference.low), "\" x2=\"", at(difference.high), "\" y1=\"9\" y2=\"9\"/><circle cx=\"",
      at(difference.difference), "\" cy=\"9\" r=\"5\"/></svg>");
}

Points thinned(const Points& points, std::size_t count) {
  ATTUNE_ASSERT(count > 0);
  if (points.size() <= count) return points;
  Points thin;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = points.size() * i / count, end = points.size() * (i + 1) / count;
    double x = 0, y = 0, kept = 0;
    for (std::size_t at = begin; at < end; ++at) {
      if (!std::isfinite(points[at].second)) continue;
      x += points[at].first;
      y += points[at].second;
      ++kept;
    }
    if (kept > 0) thin.emplace_back(x / kept, y / kept);
  }
  return thin;
}

Points smoothed(const Points& points) {
  const std::size_t half = points.size() / 20;
  Points smooth;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::size_t begin = i - std::min(half, i), end = std::min(i + half + 1, points.size());
    double sum = 0;
    for (std::size_t at = begin; at < end; ++at) sum += points[at].second;
    smooth.emplace_back(points[i].first, sum / static_cast<double>(end - begin));
  }
  return smooth;
}

}  // namespace attune
