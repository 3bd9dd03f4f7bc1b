// Matrix products of attention's size: C = A B or C += A B, with N a multiple of kLanes.
#pragma once

#include "kernels/cpu/vector.h"

namespace attune::ATTUNE_ISA {

// A[i, k] is at a[i * row_stride + k * column_stride], so a transposed A costs nothing.
struct Left {
  const float* data;
  long row_stride, column_stride;
};

template <int kRows, int kVectors, bool kAccumulate>
inline __attribute__((always_inline)) void gemm_tile(int depth, const float* a, long row_stride,
                                                     long column_stride, const float* b, long ldb,
                                                     float* c, long ldc) {
  Vec acc[kRows][kVectors];
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kVectors; ++j)
      acc[i][j] = kAccumulate ? load(c + i * ldc + j * kLanes) : Vec{};
  for (int k = 0; k < depth; ++k) {
    Vec row[kVectors];
    for (int j = 0; j < kVectors; ++j) row[j] = load(b + k * ldb + j * kLanes);
    for (int i = 0; i < kRows; ++i) {
      const Vec x = broadcast(a[i * row_stride + k * column_stride]);
      for (int j = 0; j < kVectors; ++j) acc[i][j] += x * row[j];
    }
  }
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kVectors; ++j) store(c + i * ldc + j * kLanes, acc[i][j]);
}

template <int kRows, int kVectors, bool kAccumulate>
inline __attribute__((always_inline)) void gemm_columns(int m, int depth, Left a, const float* b,
                                                        long ldb, float* c, long ldc) {
  int i = 0;
  for (; i + kRows <= m; i += kRows)
    gemm_tile<kRows, kVectors, kAccumulate>(depth, a.data + i * a.row_stride, a.row_stride,
                                            a.column_stride, b, ldb, c + i * ldc, ldc);
  for (; i + 2 <= m; i += 2)
    gemm_tile<2, kVectors, kAccumulate>(depth, a.data + i * a.row_stride, a.row_stride,
                                        a.column_stride, b, ldb, c + i * ldc, ldc);
  if (i < m)
    gemm_tile<1, kVectors, kAccumulate>(depth, a.data + i * a.row_stride, a.row_stride,
                                        a.column_stride, b, ldb, c + i * ldc, ldc);
}

// Tile shapes fill 24 to 28 of AVX-512's 32 registers, 12 of the others' 16.
template <bool kAccumulate>
inline void gemm(int m, int n, int depth, Left a, const float* b, long ldb, float* c, long ldc) {
  int j = 0;
  if constexpr (kLanes == 16) {
    for (; j + 4 * kLanes <= n; j += 4 * kLanes)
      gemm_columns<6, 4, kAccumulate>(m, depth, a, b + j, ldb, c + j, ldc);
    for (; j + 2 * kLanes <= n; j += 2 * kLanes)
      gemm_columns<12, 2, kAccumulate>(m, depth, a, b + j, ldb, c + j, ldc);
    for (; j < n; j += kLanes)
      gemm_columns<14, 1, kAccumulate>(m, depth, a, b + j, ldb, c + j, ldc);
  } else {
    for (; j + 2 * kLanes <= n; j += 2 * kLanes)
      gemm_columns<6, 2, kAccumulate>(m, depth, a, b + j, ldb, c + j, ldc);
    for (; j < n; j += kLanes) gemm_columns<8, 1, kAccumulate>(m, depth, a, b + j, ldb, c + j, ldc);
  }
}

}  // namespace attune::ATTUNE_ISA
