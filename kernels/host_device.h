// Functions that processor and GPU share: the same source, so the same bits.
#pragma once

#ifdef __CUDACC__
#define ATTUNE_HOST_DEVICE __host__ __device__ __forceinline__
#else
// Always inlined: of bodies compiled for several instruction sets the linker would keep one, and
// every processor run it.
#define ATTUNE_HOST_DEVICE inline __attribute__((always_inline))
#endif
