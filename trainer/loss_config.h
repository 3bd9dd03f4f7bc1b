// The settings of `train.loss`. No torch here.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/config_reader.h"

namespace attune {

struct MatryoshkaConfig {
  std::vector<int> dims;
  std::vector<double> weights;
  int dims_per_step = 0;

  template <class Fields>
  void visit(Fields& f) {
    f.field("dims", dims, "the loss is taken of the first so many numbers of each vector, too",
            at_least(1));
    f.field("weights", weights, "of each of dims; left out: 1", above(0));
    f.field("dims_per_step", dims_per_step, "so many of dims, drawn anew in each step; 0: all",
            at_least(0));
    if (!weights.empty() && weights.size() != dims.size())
      f.mistake("weights", "as many weights as dims are needed, or none");
    if (dims_per_step > static_cast<int>(dims.size()))
      f.mistake("dims_per_step", "there are fewer dims than that");
  }
};

struct LossConfig {
  std::string type = "mnrl";
  double scale = 0;
  std::string similarity = "default";
  std::vector<std::string> directions = {"query_to_doc"};
  std::string partition = "joint";
  std::string hardness = "none";
  double hardness_strength = 0;
  std::string positives = "all";
  std::vector<std::string> mask = {"document"};
  double margin = 0;
  std::string margin_strategy = "absolute";
  double triplet_margin = 5;
  std::string guide;
  bool contrast_anchors = true, contrast_positives = true;
  MatryoshkaConfig matryoshka;

  // `type` by its short name: sentence-transformers' class names are known too, cached or not (what
  // is cached is decided by train.chunk_tokens).
  std::string kind() const;
  // sentence-transformers' name of this loss; attune's own where it has none.
  std::string peer_name() const;
  // `scale`, or where it is 0 the loss's own.
  double scale_or_default() const;
  static std::vector<std::string> known_types();

  template <class Fields>
  void visit(Fields& f) {
    f.field("type", type,
            "mnrl: MultipleNegativesRankingLoss, in-batch negatives plus hard ones; infonce: the "
            "same with several positives and false negatives masked; gist: guided by another "
            "model; corpus: softmax over every passage of the data set (adapters only). Of rows "
            "with labels: cosent, cosine_similarity, margin_mse, kl_divergence; of triplets: "
            "triplet. The names of sentence-transformers' classes stand for the same",
            one_of(known_types()));
    f.field("scale", scale,
            "factor on the similarities (1 / temperature); 0: the loss's own, 20 (gist 100, "
            "kl_divergence 1)",
            at_least(0));
    f.field("similarity", similarity,
            "of mnrl, infonce: cosine (default), dot; of cosent, margin_mse, kl_divergence and "
            "triplet also euclidean and manhattan (default cosine; dot; dot; euclidean)",
            one_of({"default", "cosine", "dot", "euclidean", "manhattan"}));
    f.field("directions", directions, "of mnrl: which similarities compete with the positive's",
            one_of({"query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"}));
    f.field("partition", partition, "of mnrl: one softmax over all directions, or one for each",
            one_of({"joint", "per_direction"}));
    f.field("hardness", hardness, "of mnrl: which negatives weigh more the nearer they are",
            one_of({"none", "in_batch_negatives", "hard_negatives", "all_negatives"}));
    f.field("hardness_strength", hardness_strength,
            "added to these negatives' logits, times their similarity", at_least(0));
    f.field("positives", positives,
            "of infonce: all passages of the batch that answer the query, or its row's own",
            one_of({"all", "own"}));
    f.field("mask", mask,
            "of infonce: which passages are no negatives: those that answer the query (document), "
            "those more similar than the positive less margin (margin)",
            one_of({"document", "margin"}));
    f.field("margin", margin, "of gist and of infonce's mask by margin");
    f.field("margin_strategy", margin_strategy,
            "absolute: similarity > positive - margin; relative: > positive - |positive| * margin",
            one_of({"absolute", "relative"}));
    f.field("triplet_margin", triplet_margin, "by which the negative has to be farther away",
            at_least(0));
    f.field("guide", guide, "of gist: the model that tells false negatives, a directory or name");
    f.field("contrast_anchors", contrast_anchors, "of gist: queries compete with queries");
    f.field("contrast_positives", contrast_positives, "of gist: positives compete with positives");
    f.section("matryoshka", matryoshka, "the loss also of vectors cut short");
    check(f);
  }

 private:
  template <class Fields>
  void check(Fields& f) {
    const std::string kind = this->kind();
    const auto only = [&](const char* key, std::initializer_list<const char*> kinds) {
      f.no_effect(key, std::find(kinds.begin(), kinds.end(), kind) == kinds.end(),
                  "the loss is " + kind);
    };
    only("scale", {"mnrl", "infonce", "gist", "cosent", "kl_divergence", "corpus"});
    only("similarity", {"mnrl", "infonce", "cosent", "triplet", "margin_mse", "kl_divergence"});
    only("directions", {"mnrl"});
    only("partition", {"mnrl"});
    only("hardness", {"mnrl"});
    only("hardness_strength", {"mnrl"});
    only("positives", {"infonce"});
    only("mask", {"infonce"});
    only("margin", {"infonce", "gist"});
    only("margin_strategy", {"infonce", "gist"});
    only("triplet_margin", {"triplet"});
    only("guide", {"gist"});
    only("contrast_anchors", {"gist"});
    only("contrast_positives", {"gist"});
    const bool by_margin = std::find(mask.begin(), mask.end(), "margin") != mask.end();
    f.no_effect("margin", kind == "infonce" && !by_margin, "'margin' is not in train.loss.mask");
    f.no_effect("margin_strategy", margin == 0, "train.loss.margin is 0");
    f.no_effect("matryoshka.dims", kind == "corpus", "the loss is corpus");
    const auto has = [&](const char* direction) {
      return std::find(directions.begin(), directions.end(), direction) != directions.end();
    };
    if (!has("query_to_doc"))
      f.mistake("directions", "query_to_doc is needed: it holds the positive");
    if (partition == "per_direction" && (has("query_to_query") || has("doc_to_doc")))
      f.mistake("partition",
                "per_direction needs the positive in every direction: not with query_to_query or "
                "doc_to_doc");
    if ((hardness == "none") != (hardness_strength == 0))
      f.mistake("hardness", "'hardness' and 'hardness_strength' go together");
    if (kind == "gist" && guide.empty()) f.mistake("guide", "gist needs a guide: give loss.guide");
    if ((kind == "mnrl" || kind == "infonce") &&
        (similarity == "euclidean" || similarity == "manhattan"))
      f.mistake("similarity", kind + " knows cosine and dot");
    if (kind == "triplet" && similarity == "dot")
      f.mistake("similarity", "triplet knows cosine, euclidean and manhattan");
  }
};

}  // namespace attune
