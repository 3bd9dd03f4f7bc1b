// Charts as inline SVG, without script: colours are the page's (page_style.h), so they follow light
// and dark. Every text in them is escaped.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "retrieval/bootstrap.h"

namespace attune {

using Points = std::vector<std::pair<double, double>>;  // ascending x

struct Curve {
  std::string name;
  std::string style;  // "base", "tuned", "bm25", or "run0" to "run7"
  Points points;
  bool is_faint = false;  // the raw values behind a smoothed curve
  bool has_dots = false;  // few values, each of its own
};

struct LineChart {
  std::string title;  // for readers that see no pictures, and above the chart
  std::string x_label;
  std::vector<Curve> curves;
  bool from_zero = false;  // the y axis begins at 0
};

// With a heading, a legend where there is more than one named curve, and the chart. Values that are
// not finite are left out; a chart without any point says so.
std::string line_chart(const LineChart& chart);

struct Distribution {
  std::string name;
  std::string style;
  std::vector<double> values;
};

// Shares of the values in equal bins from `low` to `high`.
std::string histogram(const std::string& title, const std::vector<Distribution>& distributions,
                      double low, double high);

// A mark with its interval on a scale from -range to range, zero in the middle: for table cells.
std::string interval_bar(const PairedDifference& difference, double range);

// At most `count` points: means of neighbours, so that a long training is drawn with few.
Points thinned(const Points& points, std::size_t count);

// Mean over a tenth of the points around each, for curves that jump.
Points smoothed(const Points& points);

// A coloured mark and a name.
std::string legend_entry(const std::string& style, const std::string& name);

}  // namespace attune
