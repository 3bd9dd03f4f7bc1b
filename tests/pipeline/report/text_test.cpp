// Texts, numbers and charts of the pages.
#include <gtest/gtest.h>

#include <cmath>

#include "core/duration.h"
#include "pipeline/report/charts.h"
#include "pipeline/report/html.h"
#include "pipeline/report/numbers.h"

namespace attune {
namespace {

TEST(Html, WhatDocumentsHoldIsShownAndNotObeyed) {
  EXPECT_EQ(escape_html("</script><img src=x onerror='a()'>&\""),
            "&lt;/script&gt;&lt;img src=x onerror=&#39;a()&#39;&gt;&amp;&quot;");
  EXPECT_EQ(escape_html(std::string("a\0b\x1b\x7f\n\t", 7)), "a\uFFFDb\uFFFD\uFFFD\n\t");
  EXPECT_EQ(escape_html("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(escape_html("a\xff\xc3"), "a\uFFFD\uFFFD") << "not UTF-8";
  EXPECT_EQ(escape_html(""), "");
}

TEST(Html, LongTextsAreCutWithAMark) {
  EXPECT_EQ(escape_cut("short", 5), "short");
  EXPECT_EQ(escape_cut("äöüß", 2), "äö<span class=\"cut\">… cut, 4 characters</span>");
  const std::string million(1 << 20, '<');
  EXPECT_EQ(escape_cut(million, 3),
            "&lt;&lt;&lt;<span class=\"cut\">… cut, 1,048,576 characters</span>");
  EXPECT_LT(escape_cut(std::string(1 << 20, '\x80'), 10).size(), 300u) << "no characters at all";
}

TEST(Html, TablesHaveOneHeading) {
  EXPECT_EQ(
      html_table({{"a", "b"}, {"x", "1"}}),
      "<div class=\"scroll\"><table><thead><tr><th>a</th><th class=\"number\">b</th></tr>"
      "</thead><tbody><tr><td>x</td><td class=\"number\">1</td></tr></tbody></table></div>\n");
}

TEST(Numbers, OfReports) {
  EXPECT_EQ(metric_text(0.66042), "0.660");
  EXPECT_EQ(metric_text(-0.118), "\u22120.118");
  EXPECT_EQ(points_text(0.0267), "+2.7");
  EXPECT_EQ(points_text(-0.0267), "\u22122.7");
  EXPECT_EQ(points_text(-0.0001), "0.0") << "no sign of nothing";
  EXPECT_EQ(points_text(NAN), "not known");
  EXPECT_EQ(interval_text({0, -0.01, 0.042, 0.95}), "\u22121.0 to +4.2");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(13099), "13,099");
  EXPECT_EQ(count_text(-1234567), "-1,234,567");
  EXPECT_EQ(percent_text(0.034), "3.4 %");
  EXPECT_EQ(percent_text(0.123), "12 %");
  EXPECT_EQ(percent_text(0), "0 %");
  EXPECT_EQ(duration_text(0.216075185), "0.22 s");
  EXPECT_EQ(duration_text(9.96), "10 s");
  EXPECT_EQ(duration_text(2.5), "2.5 s");
  EXPECT_EQ(duration_text(59.7), "1 min 0 s");
  EXPECT_EQ(duration_text(247.6), "4 min 8 s");
  EXPECT_EQ(duration_text(7265), "2 h 1 min");
  EXPECT_EQ(duration_text(-1), "not known");
  EXPECT_EQ(plain_text(2e-5), "2e-05");
  EXPECT_EQ(coordinate(12.04), "12");
  EXPECT_EQ(coordinate(-0.01), "0");
  EXPECT_EQ(coordinate(INFINITY), "0");
  EXPECT_EQ(counted(1, "question"), "1 question");
  EXPECT_EQ(counted(2000, "pair"), "2,000 pairs");
}

TEST(Charts, ThinningKeepsTheMean) {
  Points points;
  for (int i = 0; i < 1000; ++i) points.emplace_back(i, i % 2);
  const Points thin = thinned(points, 10);
  ASSERT_EQ(thin.size(), 10u);
  EXPECT_DOUBLE_EQ(thin[0].first, 49.5);
  EXPECT_DOUBLE_EQ(thin[0].second, 0.5);
  EXPECT_EQ(thinned(points, 1000), points);
  EXPECT_TRUE(thinned({{1, NAN}, {2, NAN}}, 1).empty());
}

TEST(Charts, SmoothingLeavesAStraightLine) {
  Points points;
  for (int i = 0; i < 200; ++i) points.emplace_back(i, 2.0 * i);
  const Points smooth = smoothed(points);
  ASSERT_EQ(smooth.size(), points.size());
  for (std::size_t i = 10; i < points.size() - 10; ++i)
    EXPECT_NEAR(smooth[i].second, points[i].second, 1e-9);
  EXPECT_EQ(smoothed({{1, 5}}), (Points{{1, 5}}));
}

TEST(Charts, HoldNoNumberThatIsNone) {
  LineChart chart{"Loss <x>", "step", {}, true};
  chart.curves.push_back({"a & b", "tuned", {{1, NAN}, {2, 1e300}, {3, -1e300}}, false, true});
  chart.curves.push_back({"c", "base", {{2, 5}}, false, false});
  const std::string svg = line_chart(chart);
  EXPECT_EQ(svg.find("nan"), std::string::npos) << svg;
  EXPECT_EQ(svg.find("inf"), std::string::npos) << svg;
  EXPECT_NE(svg.find("Loss &lt;x&gt;"), std::string::npos);
  EXPECT_NE(svg.find("a &amp; b"), std::string::npos);
  EXPECT_NE(line_chart({"Empty", "step", {}}).find("no values"), std::string::npos);
  const double far = 9.2e18;  // where adding one changes nothing
  EXPECT_LT(line_chart({"Far", "step", {{"a", "base", {{far, 1}, {far + 4096, 1e308}}}}}).size(),
            20000u);
  const std::string flat = line_chart({"Flat", "step", {{"a", "base", {{1, 0}, {2, 0}}}}});
  EXPECT_EQ(flat.find("nan"), std::string::npos) << flat;
}

TEST(Charts, AHistogramCountsEveryValueOnce) {
  const std::string one = histogram("t", {{"a", "base", {0.5}}}, 0, 1),
                    many = histogram("t", {{"a", "base", std::vector<double>(500, 0.5)}}, 0, 1);
  EXPECT_EQ(one, many) << "shares, whatever the number of values";
  EXPECT_NE(one, histogram("t", {{"a", "base", {0.5, 0.9}}}, 0, 1));
}

TEST(Charts, ABarShowsOnWhichSideTheIntervalLies) {
  EXPECT_NE(interval_bar({0.02, 0.01, 0.03, 0.95}, 0.05).find("bar good"), std::string::npos);
  EXPECT_NE(interval_bar({-0.02, -0.03, -0.01, 0.95}, 0.05).find("bar bad"), std::string::npos);
  EXPECT_NE(interval_bar({0, -0.01, 0.01, 0.95}, 0.05).find("bar open"), std::string::npos);
}

}  // namespace
}  // namespace attune
