#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "kernels/cpu/isa.h"

namespace attune {
namespace {

bool supported(const KernelTable& table) {
  if (&table == &avx512::kTable)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (&table == &avx2::kTable)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return true;
}

const KernelTable* best() {
  for (const KernelTable* table : {&avx512::kTable, &avx2::kTable})
    if (supported(*table)) return table;
  return &portable::kTable;
}

const KernelTable*& active() {
  static const KernelTable* table = best();
  return table;
}

}  // namespace

const char* kernel_isa() { return active()->name; }

void set_kernel_isa(const char* name) {
  for (const KernelTable* table : {&portable::kTable, &avx2::kTable, &avx512::kTable})
    if (std::strcmp(table->name, name) == 0 && supported(*table)) {
      active() = table;
      return;
    }
  throw std::invalid_argument(std::string("instruction set '") + name + "' is not available here");
}

void AttentionWorkspace::Free::operator()(float* p) const { std::free(p); }

float* AttentionWorkspace::floats(std::int64_t count) {
  if (count > capacity_) {
    memory_.reset();
    capacity_ = 0;  // aligned_alloc may fail below, and this workspace be used again
    const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(float) + 63) / 64 * 64;
    memory_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
    if (!memory_) throw std::bad_alloc();
    capacity_ = count;
  }
  return memory_.get();
}

void attention_forward_cpu(const AttentionProblem& problem, std::int64_t item, float* out,
                           float* lse, AttentionWorkspace& workspace) {
  active()->attention_forward(problem, item, out, lse, workspace);
}

void attention_backward_cpu(const AttentionProblem& problem, std::int64_t item, const float* out,
                            const float* lse, const float* grad_out, float* grad_qkv,
                            AttentionWorkspace& workspace) {
  active()->attention_backward(problem, item, out, lse, grad_out, grad_qkv, workspace);
}

void dropout_cpu(const float* x, const std::int64_t* token_uid, const std::int32_t* positions,
                 float* y, std::int64_t begin, std::int64_t end, std::int64_t width,
                 const Dropout& dropout) {
  active()->dropout(x, token_uid, positions, y, begin, end, width, dropout);
}

}  // namespace attune
