// A saved adapter and its base as one Sentence Transformers directory, self-contained.
//
// For queries alone: a Router whose two routes share the base's modules,
//   query:    Transformer, Pooling, [Normalize,] Dense ...
//   document: Transformer, Pooling, [Normalize]
// so that encode_query() and encode_document() give what the adapter's model gives for the two
// roles, and encode() is the document's. For both sides the query's modules, one after the other.
// The Dense modules stand behind the Normalize, as the adapter does: its vectors are not normalised
// again.
//
// linear is one Dense; two_layer two of them, the first with the activation. With its residual the
// first gives [act(x W1^T + b1), x], by the Dense's own residual branch, and the second adds
// them up, which needs sentence-transformers 5.7. Formulas of Dense and Router:
// sentence-transformers 6.0.1, base/modules/{dense,router}.py.
#pragma once

#include <string>

#include <attune/base_embedding.h>

namespace attune {

struct ExportedAdapter {
  std::string layout;          // "Router" or "Dense"
  std::string oldest_release;  // of sentence-transformers that reads it
};

// `options` as for load_adapter_embedding. The output is written whole or not at all.
// Error{kConfig} for an adapter type that those modules cannot express, by name, and for a base
// that is no local encoder.
ExportedAdapter export_adapter(const std::string& directory, const EmbedOptions& options,
                               const std::string& output);

}  // namespace attune
