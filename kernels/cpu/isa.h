// The functions that are compiled once per instruction set (ATTUNE_ISA) and chosen at run time.
#pragma once

#include "kernels/attention.h"
#include "kernels/dropout.h"

namespace attune {

struct KernelTable {
  const char* name;
  decltype(&attention_forward_cpu) attention_forward;
  decltype(&attention_backward_cpu) attention_backward;
  decltype(&dropout_cpu) dropout;
};

namespace portable {
extern const KernelTable kTable;
}
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}

}  // namespace attune
