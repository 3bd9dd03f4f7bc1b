// Sums over the rows of a matrix: the gradient of a bias.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"

namespace attune {

// sums[c] += sum over rows of x[r, c], on device pointers; x [rows, columns] float or BFloat16,
// sums [columns] fp32. Summed in parts of rows whose number depends on `rows` alone, and the parts
// in order: equal bits in every run and on every GPU. `workspace`: device memory, undefined
// contents, column_sums_workspace(rows, columns) floats. `stream` is a cudaStream_t. Returns a
// cudaError_t.
std::int64_t column_sums_workspace(std::int64_t rows, std::int64_t columns);
template <class T>
int add_column_sums_cuda(const T* x, float* sums, float* workspace, std::int64_t rows,
                         std::int64_t columns, void* stream);

// The same on the CPU, row after row.
template <class T>
void add_column_sums_cpu(const T* x, float* sums, std::int64_t rows, std::int64_t columns);

}  // namespace attune
