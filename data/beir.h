// A folder as BEIR has it (github.com/beir-cellar/beir, beir/datasets/data_loader.py):
//   corpus.jsonl      {"_id": id, "title": text, "text": text} a line; `title` may be missing
//   queries.jsonl     {"_id": id, "text": text} a line
//   qrels/SPLIT.tsv   a heading, then query id, passage id and a whole number a line: above 0 is
//                     relevant
// each of them also as .gz. A passage's text is its title, a space and its text, without white
// space around them, as BEIR's dense models are given it. Queries are those that the split judges.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset_formats.h"

namespace attune {

// A folder with a corpus, or one of its DIR/qrels/SPLIT.tsv.
bool is_beir(const std::string& path);

// Corpus, queries and judgements. Error{kData}: one is missing, or there are several splits.
std::vector<std::string> beir_files(const std::string& path);

struct BeirDataset {
  EmbeddingQAFinetuneDataset dataset;
  RowCounts counts;         // of all three files
  std::int64_t graded = 0;  // judgements above 1: only that they are relevant is kept
  std::int64_t more = 0;    // lines with further keys that say something (metadata): not kept
};

// Error{kData} names every mistake up to 20 with file and line.
BeirDataset read_beir(const std::string& path);

// The folder appears whole or not at all; one that is there is replaced. Titles are empty. Queries
// that no passage answers are written, though BEIR's reader will not give them.
void write_beir(const EmbeddingQAFinetuneDataset& dataset, const std::string& folder,
                const std::string& split);

}  // namespace attune
