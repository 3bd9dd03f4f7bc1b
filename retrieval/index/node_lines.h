// Nodes as JSON, one a line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <attune/vector_store_index.h>

namespace attune {

// A line of an index: {"id": ..., "text": ..., "metadata": {...}}, these keys alone.
std::string node_line(const TextNode& node);  // ends with a line feed
TextNode parse_node_line(std::string_view line, const std::string& place);

// What is to be indexed, by the file's name: NAME.jsonl (also .gz) with "id" and "text" on every
// line, perhaps "metadata", and every further key becomes metadata too (a run's
// datasets/passages.jsonl is such a file); anything else is a QA data set, whose passages are the
// nodes. Error{kData} with the line: no JSON, a missing or doubled id, text that is none.
std::vector<TextNode> read_nodes(const std::string& path);

// Error{kData}: a doubled or empty id, a text or metadata that is no UTF-8 or no JSON object.
// Metadata is written anew, so that equal ones are equal strings.
std::vector<TextNode> checked_nodes(std::span<const TextNode> nodes);

}  // namespace attune
