#include <algorithm>

#include "core/error.h"
#include "trainer/losses/cosent.h"
#include "trainer/losses/cosine_similarity.h"
#include "trainer/losses/gist.h"
#include "trainer/losses/infonce.h"
#include "trainer/losses/kl_divergence.h"
#include "trainer/losses/loss.h"
#include "trainer/losses/margin_mse.h"
#include "trainer/losses/matryoshka.h"
#include "trainer/losses/multiple_negatives_ranking.h"
#include "trainer/losses/triplet.h"

namespace attune {
namespace {

bool has(const std::vector<std::string>& list, const char* name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::unique_ptr<Loss> make_mnrl(const LossConfig& config) {
  MnrlSettings settings;
  settings.scale = config.scale_or_default();
  settings.similarity = parse_similarity(config.similarity, Similarity::kCosine);
  settings.query_to_query = has(config.directions, "query_to_query");
  settings.doc_to_query = has(config.directions, "doc_to_query");
  settings.doc_to_doc = has(config.directions, "doc_to_doc");
  settings.per_direction = config.partition == "per_direction";
  settings.harder_in_batch =
      config.hardness == "in_batch_negatives" || config.hardness == "all_negatives";
  settings.harder_own = config.hardness == "hard_negatives" || config.hardness == "all_negatives";
  settings.hardness_strength = config.hardness_strength;
  return std::make_unique<MultipleNegativesRankingLoss>(settings);
}

std::unique_ptr<Loss> make_infonce(const LossConfig& config) {
  InfoNceSettings settings;
  settings.scale = config.scale_or_default();
  settings.similarity = parse_similarity(config.similarity, Similarity::kCosine);
  settings.own_positive = config.positives == "own";
  settings.mask_documents = has(config.mask, "document");
  settings.mask_margin = has(config.mask, "margin");
  settings.margin = config.margin;
  settings.relative_margin = config.margin_strategy == "relative";
  return std::make_unique<InfoNceLoss>(settings);
}

std::unique_ptr<Loss> make_gist(const LossConfig& config) {
  GistSettings settings;
  settings.scale = config.scale_or_default();
  settings.margin = config.margin;
  settings.relative_margin = config.margin_strategy == "relative";
  settings.contrast_anchors = config.contrast_anchors;
  settings.contrast_positives = config.contrast_positives;
  return std::make_unique<GistLoss>(settings);
}

std::unique_ptr<Loss> make_plain_loss(const LossConfig& config) {
  const std::string kind = config.kind();
  const double scale = config.scale_or_default();
  const auto similarity = [&](Similarity otherwise) {
    return parse_similarity(config.similarity, otherwise);
  };
  if (kind == "mnrl") return make_mnrl(config);
  if (kind == "infonce") return make_infonce(config);
  if (kind == "gist") return make_gist(config);
  if (kind == "cosent") return std::make_unique<CosentLoss>(scale, similarity(Similarity::kCosine));
  if (kind == "triplet")
    return std::make_unique<TripletLoss>(config.triplet_margin, similarity(Similarity::kEuclidean));
  if (kind == "cosine_similarity") return std::make_unique<CosineSimilarityLoss>();
  if (kind == "margin_mse") return std::make_unique<MarginMseLoss>(similarity(Similarity::kDot));
  if (kind == "kl_divergence")
    return std::make_unique<KlDivergenceLoss>(scale, similarity(Similarity::kDot));
  throw_error(ErrorKind::kConfig, "the loss '", config.type, "' is not known here");
}

}  // namespace

std::unique_ptr<Loss> make_loss(const LossConfig& config) {
  std::unique_ptr<Loss> loss = make_plain_loss(config);
  if (config.matryoshka.dims.empty()) return loss;
  return std::make_unique<MatryoshkaLoss>(std::move(loss), config.matryoshka);
}

double Loss::bytes(const TrainingBatch& batch) const {
  const double rows = batch.rows, passages = rows * std::max(1, batch.columns - 1);
  return 4 * 4 * rows * passages;
}

void check_rows(const Loss& loss, const TrainingRows& rows, int dimension) {
  if (rows.sources.empty())
    return loss.check(
        {"the training rows", static_cast<int>(rows.columns.size()), rows.labels_per_row},
        dimension);
  for (const RowSource& source : rows.sources) loss.check(source, dimension);
}

void check_columns(const RowSource& rows, const char* loss, int least, int most) {
  const int columns = rows.columns;
  if (columns >= least && (most == 0 || columns <= most)) return;
  throw_error(ErrorKind::kData, rows.name, ": the loss ", loss, " takes rows of ",
              most == least ? str_cat(least) : str_cat("at least ", least), " texts, here are ",
              columns,
              least > 2 ? "; negatives come from train.negatives or from columns of a .jsonl" : "");
}

void check_labels(const RowSource& rows, const char* loss, int count, const char* meaning) {
  if (rows.labels_per_row == count) return;
  throw_error(ErrorKind::kData, rows.name, ": the loss ", loss, " takes rows with ", count,
              count == 1 ? " label (" : " labels (", meaning, "), here are ", rows.labels_per_row,
              "; labels come from a .jsonl file of rows (docs/formats.md)");
}

}  // namespace attune
