#include "pipeline/report/page_frame.h"

#include "core/error.h"
#include "pipeline/report/html.h"
#include "pipeline/report/page_style.h"

namespace attune {

std::string framed_page(const std::string& title, const std::string& head,
                        const std::vector<PageSection>& sections) {
  std::string page = str_cat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n<title>",
      escape_html(title), "</title>\n<style>\n", kPageStyle, "</style>\n</head>\n<body>\n<main>\n",
      head, "<nav aria-label=\"Sections\">");
  for (const PageSection& section : sections)
    page += str_cat("<a href=\"#", section.id, "\">", escape_html(section.title), "</a> ");
  page += "</nav>\n";
  for (const PageSection& section : sections)
    page += str_cat("<section id=\"", section.id, "\">\n<h2>", escape_html(section.title),
                    "</h2>\n", section.body, "</section>\n");
  return page +
         "</main>\n<footer>Made by attune from the files of the run. This page runs no script and "
         "fetches nothing.</footer>\n</body>\n</html>\n";
}

std::string metric_label(const std::string& metric) {
  const std::size_t at = metric.find('@');
  const std::string name = metric.substr(0, at),
                    cut = at == std::string::npos ? "" : metric.substr(at);
  if (name == "ndcg") return "NDCG" + cut;
  if (name == "mrr") return "MRR" + cut;
  if (name == "map") return "MAP" + cut;
  if (name == "hit_rate") return "Hit rate" + cut;
  if (name == "recall") return "Recall" + cut;
  if (name == "precision") return "Precision" + cut;
  return metric;
}

std::string system_label(const std::string& system) {
  if (system == "base") return "Base";
  if (system == "finetuned") return "Finetuned";
  if (system == "bm25") return "BM25";
  return system;
}

std::string system_style(const std::string& system) {
  if (system == "finetuned") return "tuned";
  return system == "bm25" ? "bm25" : "base";
}

}  // namespace attune
