#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/embedding.h"

namespace attune {
namespace {

// Where the arrays of a plan begin.
struct Layout {
  std::int64_t order = 0, short_begin, short_row, piece_begin, long_begin, long_row, size;

  explicit Layout(std::int64_t tokens) {
    const std::int64_t pieces = ScatterPlan::long_pieces(tokens);
    short_begin = tokens;
    short_row = short_begin + tokens + 1;
    piece_begin = short_row + tokens;
    long_begin = piece_begin + pieces + 1;
    long_row = long_begin + pieces + 1;
    size = long_row + pieces;
  }
};

}  // namespace

std::int64_t ScatterPlan::size(std::int64_t tokens) { return Layout(tokens).size; }

ScatterPlan ScatterPlan::in(const std::int32_t* memory, std::int64_t tokens) {
  const Layout layout(tokens);
  return {tokens,
          memory + layout.order,
          memory + layout.short_begin,
          memory + layout.short_row,
          memory + layout.piece_begin,
          memory + layout.long_begin,
          memory + layout.long_row};
}

void make_scatter_plan(const std::int32_t* rows, std::int64_t count, std::int64_t tokens,
                       std::int64_t table_rows, std::int64_t skipped_row, std::int32_t* memory) {
  if (count < 0 || count > tokens)
    throw std::invalid_argument("a scatter plan for " + std::to_string(tokens) +
                                " tokens was given " + std::to_string(count));
  // Counting sort: begin[r] is where in `order` the tokens of row r go next.
  std::vector<std::int32_t> begin(table_rows + 1);
  for (std::int64_t t = 0; t < count; ++t) {
    if (rows[t] < 0 || rows[t] >= table_rows)
      throw std::invalid_argument("token " + std::to_string(t) + " reads row " +
                                  std::to_string(rows[t]) + " of a table of " +
                                  std::to_string(table_rows) + " rows");
    if (rows[t] != skipped_row) ++begin[rows[t] + 1];
  }
  for (std::int64_t r = 0; r < table_rows; ++r) begin[r + 1] += begin[r];

  const Layout layout(tokens);
  const std::int64_t pieces = ScatterPlan::long_pieces(tokens);
  std::int32_t* order = memory + layout.order;
  std::int32_t *short_begin = memory + layout.short_begin, *short_row = memory + layout.short_row;
  std::int32_t *piece_begin = memory + layout.piece_begin, *long_begin = memory + layout.long_begin,
               *long_row = memory + layout.long_row;
  std::fill(order, order + tokens, 0);
  std::fill(short_row, short_row + tokens, -1);
  std::fill(long_row, long_row + pieces, -1);

  // Long rows lie in `order` before short ones, so that the pieces of each kind lie side by side.
  constexpr auto kPiece = static_cast<std::int32_t>(ScatterPlan::kScatterPiece);
  std::vector<std::int32_t> next(table_rows);
  std::int32_t at = 0, piece = 0, longs = 0;
  for (std::int64_t r = 0; r < table_rows; ++r) {
    const std::int32_t n = begin[r + 1] - begin[r];
    if (n <= kPiece) continue;
    next[r] = at;
    long_row[longs] = static_cast<std::int32_t>(r);
    long_begin[longs++] = piece;
    for (std::int32_t from = 0; from < n; from += kPiece) piece_begin[piece++] = at + from;
    at += n;
  }
  std::fill(long_begin + longs, long_begin + pieces + 1, piece);
  std::fill(piece_begin + piece, piece_begin + pieces + 1, at);
  std::int32_t shorts = 0;
  for (std::int64_t r = 0; r < table_rows; ++r) {
    const std::int32_t n = begin[r + 1] - begin[r];
    if (n == 0 || n > kPiece) continue;
    next[r] = at;
    short_row[shorts] = static_cast<std::int32_t>(r);
    short_begin[shorts++] = at;
    at += n;
  }
  std::fill(short_begin + shorts, short_begin + tokens + 1, at);
  for (std::int64_t t = 0; t < count; ++t)
    if (rows[t] != skipped_row) order[next[rows[t]]++] = static_cast<std::int32_t>(t);
}

}  // namespace attune
