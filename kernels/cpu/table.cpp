#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {
namespace {

template <class T>
constexpr TypedKernels<T> kTyped = {attention_forward<T>,
                                    attention_backward<T>,
                                    add_layer_norm_forward<T>,
                                    add_layer_norm_backward<T>,
                                    gelu<T>,
                                    quantize_rows<T>,
                                    rescale_rows<T>,
                                    rotate<T>,
                                    rms_norm_forward<T>,
                                    rms_norm_backward<T>,
                                    glu_forward<T>,
                                    glu_backward<T>};

}  // namespace

extern const KernelTable kTable;
const KernelTable kTable{ATTUNE_ISA_NAME, kTyped<float>,  kTyped<BFloat16>, dropout,
                         adamw,           sum_of_squares, cross_entropy,    dot};

}  // namespace attune::ATTUNE_ISA
