// The plain form of the pooling kernels, in double precision: what the CUDA kernels are held to.
#include "kernels/pooling.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace attune {
namespace {

constexpr double kLeastNorm = 1e-12;

struct Sequence {
  std::vector<std::int64_t> tokens;  // that are looked at
  double share = 1;                  // of each in a mean

  Sequence(const PackedPooling& p, std::int64_t index) {
    const std::int64_t begin = p.cu_seqlens[index], end = p.cu_seqlens[index + 1];
    if (p.kind == PoolingKind::kCls || p.kind == PoolingKind::kLast) {
      if (begin < end) tokens = {p.kind == PoolingKind::kCls ? begin : end - 1};
      return;
    }
    for (std::int64_t t = begin; t < end; ++t)
      if (!p.pooled || p.pooled[t]) tokens.push_back(t);
    const double count = std::max(static_cast<double>(tokens.size()), 1e-9);
    if (p.kind == PoolingKind::kMean) share = 1 / count;
    if (p.kind == PoolingKind::kMeanSqrtLen) share = 1 / std::sqrt(count);
  }
};

}  // namespace

template <class T>
void pool_forward_cpu(const PackedPooling& pooling, const T* x, float* out, float* inverse_norm,
                      std::int32_t* largest) {
  const std::int64_t width = pooling.width;
  for (std::int64_t s = 0; s < pooling.sequences; ++s) {
    const Sequence sequence(pooling, s);
    std::vector<double> v(width);
    double squares = 0;
    for (std::int64_t c = 0; c < width; ++c) {
      const auto at = [&](std::int64_t t) { return widen(x[t * width + c]); };
      if (pooling.kind == PoolingKind::kMax) {
        std::int64_t best = -1;
        for (const std::int64_t t : sequence.tokens)
          if (best < 0 || at(t) > at(best) || (std::isnan(at(t)) && !std::isnan(at(best))))
            best = t;
        largest[s * width + c] = static_cast<std::int32_t>(best);
        v[c] = best < 0 ? 0 : at(best);
      } else {
        for (const std::int64_t t : sequence.tokens) v[c] += at(t) * sequence.share;
      }
      squares += v[c] * v[c];
    }
    const double norm = std::sqrt(squares);
    const double inverse = 1 / (norm < kLeastNorm ? kLeastNorm : norm);
    if (pooling.normalize && inverse_norm) inverse_norm[s] = static_cast<float>(inverse);
    for (std::int64_t c = 0; c < width; ++c)
      out[s * pooling.out_stride + c] =
          static_cast<float>(pooling.normalize ? v[c] * inverse : v[c]);
  }
}

template <class T>
void pool_backward_cpu(const PackedPooling& pooling, const float* grad_out, const float* out,
                       const float* inverse_norm, const std::int32_t* largest, T* grad_x) {
  const std::int64_t width = pooling.width;
  std::fill(grad_x, grad_x + pooling.tokens * width, narrow<T>(0));
  for (std::int64_t s = 0; s < pooling.sequences; ++s) {
    const Sequence sequence(pooling, s);
    const float* grad = grad_out + s * pooling.out_stride;
    const float* unit = out + s * pooling.out_stride;
    double along = 0, inverse = 1;
    if (pooling.normalize) {
      inverse = inverse_norm[s];
      if (inverse_norm[s] < 1 / static_cast<float>(kLeastNorm))
        for (std::int64_t c = 0; c < width; ++c) along += static_cast<double>(grad[c]) * unit[c];
    }
    for (std::int64_t c = 0; c < width; ++c) {
      double g = grad[c];
      if (pooling.normalize) g = (g - unit[c] * along) * inverse;
      for (const std::int64_t t : sequence.tokens)
        if (pooling.kind != PoolingKind::kMax || largest[s * width + c] == t)
          grad_x[t * width + c] = narrow<T>(static_cast<float>(g * sequence.share));
    }
  }
}

#define ATTUNE_INSTANTIATE(T)                                                                     \
  template void pool_forward_cpu(const PackedPooling&, const T*, float*, float*, std::int32_t*);  \
  template void pool_backward_cpu(const PackedPooling&, const float*, const float*, const float*, \
                                  const std::int32_t*, T*)
ATTUNE_INSTANTIATE(float);
ATTUNE_INSTANTIATE(BFloat16);
#undef ATTUNE_INSTANTIATE

}  // namespace attune
