// Pooling on the device against the plain form on the CPU, whose gradient is checked against
// differences here.
#include <limits>
#include <numeric>
#include <utility>

#include "kernels/pooling.h"
#include "tests/kernels/cuda_device.h"
#include "tests/kernels/kernel_data.h"

namespace attune {
namespace {

const PoolingKind kKinds[] = {PoolingKind::kCls, PoolingKind::kLast, PoolingKind::kMax,
                              PoolingKind::kMean, PoolingKind::kMeanSqrtLen};

struct Batch {
  std::vector<std::int32_t> cu_seqlens;
  std::vector<std::uint8_t> pooled;  // empty: all
  std::int64_t tokens = 0;

  std::int64_t sequences() const { return static_cast<std::int64_t>(cu_seqlens.size()) - 1; }
  PackedPooling pooling(PoolingKind kind, bool normalize, std::int64_t width,
                        std::int64_t stride) const {
    return {kind,  normalize, sequences(),       tokens,
            width, stride,    cu_seqlens.data(), pooled.empty() ? nullptr : pooled.data()};
  }
};

// Sequences of none, one and many tokens, and `rest` tokens of no sequence.
Batch batch_of(const std::vector<int>& lengths, std::int64_t rest, bool masked) {
  Batch batch;
  batch.cu_seqlens = {0};
  for (const int length : lengths) batch.cu_seqlens.push_back(batch.cu_seqlens.back() + length);
  batch.tokens = batch.cu_seqlens.back() + rest;
  for (std::int64_t t = 0; masked && t < batch.tokens; ++t)
    batch.pooled.push_back(t % 3 == 1 ? 0 : t % 2 + 1);  // anything but 0 counts
  return batch;
}

class PoolingOnDevice : public CudaTest {
 protected:
  template <class T>
  void check(const Batch& batch, PoolingKind kind, bool normalize, std::int64_t width,
             std::int64_t stride) {
    SCOPED_TRACE(testing::Message()
                 << "kind " << static_cast<int>(kind) << ", width " << width << ", normalize "
                 << normalize << ", bytes " << sizeof(T) << ", masked " << !batch.pooled.empty());
    const std::int64_t vectors = batch.sequences() * stride, count = batch.tokens * width;
    // Rounded to bf16 in both types, so that equal values occur.
    const std::vector<T> x = narrowed<T>(widened(narrowed<BFloat16>(normal_values(count, 1))));
    const std::vector<float> grad_out = normal_values(vectors, 2);
    const PackedPooling plain = batch.pooling(kind, normalize, width, stride);
    std::vector<float> out(vectors, 7), inverse(batch.sequences(), 7);
    std::vector<std::int32_t> largest(batch.sequences() * width, 7);
    std::vector<T> grad_x(count);
    pool_forward_cpu<T>(plain, x.data(), out.data(), inverse.data(), largest.data());
    pool_backward_cpu<T>(plain, grad_out.data(), out.data(), inverse.data(), largest.data(),
                         grad_x.data());

    PackedPooling pooling = plain;
    pooling.cu_seqlens = device(batch.cu_seqlens);
    pooling.pooled = batch.pooled.empty() ? nullptr : device(batch.pooled);
    float* to = device(std::vector<float>(vectors, 7));
    float* inverse_norm = normalize ? space<float>(batch.sequences()) : nullptr;
    std::int32_t* from =
        kind == PoolingKind::kMax ? space<std::int32_t>(batch.sequences() * width) : nullptr;
    T* grad = space<T>(count);
    ATTUNE_EXPECT_CUDA(pool_forward_cuda<T>(pooling, device(x), to, inverse_norm, from, nullptr));
    ATTUNE_EXPECT_CUDA(pool_backward_cuda<T>(pooling, device(grad_out), normalize ? to : nullptr,
                                             inverse_norm, from, grad, nullptr));
    expect_near(host(to, vectors), out, 2e-6, 2e-6, "out");
    if (normalize && width > 0)
      expect_near(host(inverse_norm, batch.sequences()), inverse, 0, 1e-5, "norm");
    if (from) {
      EXPECT_EQ(host(from, batch.sequences() * width), largest);
    }
    expect_near(host(grad, count), grad_x, 5e-6, 2 * kRounding<T> + 5e-6, "grad_x");
  }
};

TEST_P(PoolingOnDevice, EqualsThePlainForm) {
  for (const bool masked : {false, true}) {
    const Batch batch = batch_of({0, 1, 5, 37, 0, 2, 0}, masked ? 0 : 11, masked);
    for (const PoolingKind kind : kKinds)
      for (const bool normalize : {false, true})
        for (const auto& [width, stride] :
             {std::pair<std::int64_t, std::int64_t>{1, 1}, {33, 40}, {384, 384}, {20, 40}}) {
          check<float>(batch, kind, normalize, width, stride);
          check<BFloat16>(batch, kind, normalize, width, stride);
        }
  }
  check<float>(batch_of({3, 4}, 0, false), PoolingKind::kMean, true, 1024, 1024);
}

TEST_P(PoolingOnDevice, OfNothing) {
  for (const PoolingKind kind : kKinds) {
    check<float>(batch_of({}, 5, false), kind, true, 8, 8);      // no sequence, but rows
    check<float>(batch_of({0, 0}, 0, false), kind, true, 8, 8);  // no token
    check<float>(batch_of({2}, 0, false), kind, true, 0, 0);
  }
}

// Many rows of no sequence: more than the blocks that clear them take in one turn.
TEST_P(PoolingOnDevice, ClearsALongRest) {
  check<BFloat16>(batch_of({3}, 40000, false), PoolingKind::kMean, false, 4, 4);
}

TEST_P(PoolingOnDevice, SequencesOfWhichNothingIsPooledAreZero) {
  Batch batch = batch_of({3, 2}, 0, false);
  batch.pooled = {0, 0, 0, 1, 1};
  for (const PoolingKind kind :
       {PoolingKind::kMax, PoolingKind::kMean, PoolingKind::kMeanSqrtLen}) {
    check<float>(batch, kind, true, 6, 6);
    PackedPooling pooling = batch.pooling(kind, true, 6, 6);
    pooling.cu_seqlens = device(batch.cu_seqlens);
    pooling.pooled = device(batch.pooled);
    float* out = space<float>(12);
    ATTUNE_EXPECT_CUDA(pool_forward_cuda<float>(pooling, device(normal_values(30, 1)), out, nullptr,
                                                space<std::int32_t>(12), nullptr));
    const std::vector<float> vectors = host(out, 12);
    for (int i = 0; i < 6; ++i) EXPECT_EQ(vectors[i], 0);
  }
}

TEST_P(PoolingOnDevice, ZeroVectorsAreDividedByAConstant) {
  const Batch batch = batch_of({2}, 0, false);
  PackedPooling pooling = batch.pooling(PoolingKind::kMean, true, 4, 4);
  pooling.cu_seqlens = device(batch.cu_seqlens);
  float *out = space<float>(4), *inverse = space<float>(1), *grad = space<float>(8);
  ATTUNE_EXPECT_CUDA(pool_forward_cuda<float>(pooling, device(std::vector<float>(8)), out, inverse,
                                              nullptr, nullptr));
  ATTUNE_EXPECT_CUDA(pool_backward_cuda<float>(pooling, device(std::vector<float>(4, 1)), out,
                                               inverse, nullptr, grad, nullptr));
  EXPECT_EQ(host(out, 4), std::vector<float>(4));
  for (const float g : host(grad, 8)) EXPECT_NEAR(g, 0.5e12, 1e6);
}

TEST_P(PoolingOnDevice, NaNGoesOn) {
  const Batch batch = batch_of({40, 3}, 0, false);
  std::vector<float> x = normal_values(43 * 4, 1);
  x[21 * 4 + 2] = std::numeric_limits<float>::quiet_NaN();
  for (const PoolingKind kind : {PoolingKind::kMax, PoolingKind::kMean}) {
    PackedPooling pooling = batch.pooling(kind, false, 4, 4);
    pooling.cu_seqlens = device(batch.cu_seqlens);
    float* out = space<float>(8);
    std::int32_t* largest = space<std::int32_t>(8);
    ATTUNE_EXPECT_CUDA(
        pool_forward_cuda<float>(pooling, device(x), out, nullptr, largest, nullptr));
    const std::vector<float> vectors = host(out, 8);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(std::isnan(vectors[i]), i == 2) << i;
    if (kind == PoolingKind::kMax) {
      EXPECT_EQ(host(largest, 8)[2], 21);
    }
  }
}

TEST_P(PoolingOnDevice, RefusesWhatItCannotDo) {
  const Batch batch = batch_of({2}, 0, false);
  float some[8] = {};
  EXPECT_NE(pool_forward_cuda<float>(batch.pooling(PoolingKind::kMax, false, 4, 4), some, some,
                                     nullptr, nullptr, nullptr),
            0);
  EXPECT_NE(pool_forward_cuda<float>(batch.pooling(PoolingKind::kMean, false, 4, 3), some, some,
                                     nullptr, nullptr, nullptr),
            0);
  EXPECT_NE(pool_backward_cuda<float>(batch.pooling(PoolingKind::kMean, true, 4, 4), some, some,
                                      nullptr, nullptr, some, nullptr),
            0);
}
ATTUNE_INSTANTIATE_CUDA_TESTS(PoolingOnDevice);

TEST(PoolingPlainForm, GradientEqualsDifferences) {
  const Batch batch = batch_of({1, 4, 0}, 1, true);
  constexpr std::int64_t kWidth = 3;
  const std::vector<float> probe = normal_values(3 * kWidth, 5);
  for (const PoolingKind kind : kKinds)
    for (const bool normalize : {false, true}) {
      const PackedPooling pooling = batch.pooling(kind, normalize, kWidth, kWidth);
      std::vector<float> x = normal_values(batch.tokens * kWidth, 4), inverse(3);
      std::vector<float> out(3 * kWidth), grad(x.size());
      std::vector<std::int32_t> largest(3 * kWidth);
      const auto value = [&] {
        pool_forward_cpu<float>(pooling, x.data(), out.data(), inverse.data(), largest.data());
        return std::inner_product(out.begin(), out.end(), probe.begin(), 0.0);
      };
      value();
      pool_backward_cpu<float>(pooling, probe.data(), out.data(), inverse.data(), largest.data(),
                               grad.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        const float kept = std::exchange(x[i], x[i] + 1e-3f);
        const double above = value();
        x[i] = kept - 1e-3f;
        const double below = value();
        x[i] = kept;
        EXPECT_NEAR(grad[i], (above - below) / 2e-3, 2e-3)
            << static_cast<int>(kind) << " " << normalize << " " << i;
      }
    }
}

}  // namespace
}  // namespace attune
