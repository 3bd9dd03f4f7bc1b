// What every report page is framed in: head, style, foot. The page fetches nothing and runs
// nothing, and forbids both to whatever might stand in it: its content security policy allows its
// own style sheet alone.
#pragma once

#include <string>
#include <vector>

namespace attune {

struct PageSection {
  std::string id, title, body;  // body: HTML
};

// `title` is plain text; `head` is HTML above the sections. A list of links to the sections stands
// between the two.
std::string framed_page(const std::string& title, const std::string& head,
                        const std::vector<PageSection>& sections);

// "ndcg@10" -> "NDCG@10", "hit_rate@1" -> "Hit rate@1"; "finetuned" -> "Finetuned".
std::string metric_label(const std::string& metric);
std::string system_label(const std::string& system);
// The colour of a system.
std::string system_style(const std::string& system);

}  // namespace attune
