// AdamW on the device has the processor's bits; the state of the gradients is right to rounding.
#include <algorithm>
#include <limits>
#include <utility>

#include "kernels/adamw.h"
#include "tests/kernels/cuda_device.h"
#include "tests/kernels/kernel_data.h"

namespace attune {
namespace {

AdamWStep step_of(int t) {
  AdamWStep step;
  step.learning_rate = 1e-2f;
  step.gradient_scale = 0.5f;
  step.keep = 1 - 1e-2f * 0.1f;
  step.beta1 = 0.9f;
  step.beta2 = 0.999f;
  step.epsilon = 1e-8f;
  step.one_minus_beta1 = 0.1f;
  step.one_minus_beta2 = 0.001f;
  step.correction1 = static_cast<float>(1 - std::pow(0.9, t));
  step.correction2_root = static_cast<float>(std::sqrt(1 - std::pow(0.999, t)));
  return step;
}

struct Range {
  std::int64_t count, begin, end, offset;  // offset: elements from where packs could be read
};
const Range kRanges[] = {{101, 3, 101, 0}, {1, 0, 1, 0},    {64, 0, 64, 0},   {3000, 5, 2049, 0},
                         {64, 8, 8, 0},    {40, 17, 18, 0}, {300, 0, 300, 1}, {5, 1, 4, 0}};

using AdamWOnDevice = CudaTest;

TEST_P(AdamWOnDevice, HasTheProcessorsBits) {
  for (const Range& r : kRanges) {
    SCOPED_TRACE(testing::Message() << r.begin << " to " << r.end << " of " << r.count);
    std::vector<float> values = normal_values(r.count, 1), first(r.count), second(r.count);
    const auto place = [&](std::vector<float> v) {
      v.insert(v.begin(), r.offset, 0.f);
      return device(v) + r.offset;
    };
    float *x = place(values), *m = place(first), *v = place(second);
    BFloat16* working = space<BFloat16>(r.count);
    for (int t = 1; t <= 3; ++t) {
      std::vector<float> gradients = normal_values(r.count, 10 + t);
      float* g = place(gradients);
      const AdamWStep step = step_of(t);
      adamw_cpu(step, values.data(), gradients.data(), first.data(), second.data(), r.begin, r.end);
      ATTUNE_EXPECT_CUDA(adamw_cuda(device(std::vector<AdamWStep>{step}), nullptr, x, g, m, v,
                                    working, r.begin, r.end, nullptr));
      ASSERT_EQ(host(x, r.count), values);
      ASSERT_EQ(host(m, r.count), first);
      ASSERT_EQ(host(v, r.count), second);
      ASSERT_EQ(host(g, r.count), gradients);
      const std::vector<BFloat16> narrow_values = host(working, r.count);
      for (std::int64_t i = 0; i < r.count; ++i)
        ASSERT_EQ(narrow_values[i].bits,
                  i >= r.begin && i < r.end ? narrow<BFloat16>(values[i]).bits : 0xffff);
    }
  }
}

TEST_P(AdamWOnDevice, TakesTheScaleFromTheState) {
  const AdamWStep step = step_of(1);
  AdamWStep scaled = step;
  scaled.gradient_scale = 0.125f;
  std::vector<float> values = normal_values(70, 1), gradients = normal_values(70, 2), first(70),
                     second(70);
  float *x = device(values), *g = device(gradients), *m = device(first), *v = device(second);
  GradientState state = {};
  state.scale = 0.125f;
  ATTUNE_EXPECT_CUDA(adamw_cuda(device(std::vector<AdamWStep>{step}),
                                device(std::vector<GradientState>{state}), x, g, m, v, nullptr, 0,
                                70, nullptr));
  adamw_cpu(scaled, values.data(), gradients.data(), first.data(), second.data(), 0, 70);
  EXPECT_EQ(host(x, 70), values);
  EXPECT_EQ(host(g, 70), std::vector<float>(70));
}

TEST_P(AdamWOnDevice, WritesNothingButZeroGradientsWhereSomethingIsNotFinite) {
  const std::vector<float> values = normal_values(70, 1), zero(70);
  float *x = device(values), *g = device(normal_values(70, 2)), *m = device(zero),
        *v = device(zero);
  BFloat16* working = space<BFloat16>(70);
  GradientState state = {};
  state.scale = 1;
  state.found_inf = 1;
  ATTUNE_EXPECT_CUDA(adamw_cuda(device(std::vector<AdamWStep>{step_of(1)}),
                                device(std::vector<GradientState>{state}), x, g, m, v, working, 1,
                                70, nullptr));
  EXPECT_EQ(host(x, 70), values);
  EXPECT_EQ(host(m, 70), zero);
  EXPECT_EQ(host(v, 70), zero);
  EXPECT_EQ(host(working, 70)[40].bits, 0xffff);
  const std::vector<float> gradients = host(g, 70);
  EXPECT_NE(gradients[0], 0) << "not in the range";
  EXPECT_EQ(std::vector<float>(gradients.begin() + 1, gradients.end()), std::vector<float>(69));
}

TEST_P(AdamWOnDevice, RefusesARangeThatIsNone) {
  EXPECT_NE(
      adamw_cuda(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, 5, 4, nullptr), 0);
}
ATTUNE_INSTANTIATE_CUDA_TESTS(AdamWOnDevice);

class GradientStateOnDevice : public CudaTest {
 protected:
  GradientState state_of(const std::vector<float>& gradients, const float* loss, float max_norm,
                         std::int64_t offset = 0) {
    GradientState* state = space<GradientState>(1);
    std::vector<float> moved(offset, 1e30f);
    moved.insert(moved.end(), gradients.begin(), gradients.end());
    const int code =
        gradient_state_cuda(device(moved) + offset, static_cast<std::int64_t>(gradients.size()),
                            loss ? device(std::vector<float>{*loss}) : nullptr, max_norm,
                            space<double>(kSquaresWorkspace), state, nullptr);
    EXPECT_EQ(code, 0) << cuda_error_text(code);
    return host(state, 1)[0];
  }
};

TEST_P(GradientStateOnDevice, EqualsItsDefinition) {
  for (const std::int64_t count : {0, 1, 3, 1000, 16384, 16385, 100003})
    for (const std::int64_t offset : {0, 1}) {
      const std::vector<float> gradients = normal_values(count, 3);
      const double squares = sum_of_squares_cpu(gradients.data(), 0, count);
      const float loss = 1.5f, max_norm = 1;
      const GradientState state = state_of(gradients, &loss, max_norm, offset);
      EXPECT_NEAR(state.sum_of_squares, squares, 1e-13 * squares) << count;
      EXPECT_EQ(state.norm, static_cast<float>(std::sqrt(state.sum_of_squares)));
      EXPECT_NEAR(state.scale, std::min(1.0, max_norm / (std::sqrt(squares) + 1e-6)), 1e-7);
      EXPECT_EQ(state.loss, 1.5f);
      EXPECT_EQ(state.found_inf, 0);
      EXPECT_EQ(state.sum_of_squares, state_of(gradients, &loss, max_norm, offset).sum_of_squares)
          << "equal bits in every run";
      EXPECT_EQ(state_of(gradients, nullptr, 0).scale, 1) << "0: no clipping";
    }
}

TEST_P(GradientStateOnDevice, SeesWhatIsNotFinite) {
  std::vector<float> gradients = normal_values(5000, 3);
  const float nan = std::numeric_limits<float>::quiet_NaN(), fine = 1;
  EXPECT_EQ(state_of(gradients, &nan, 1).found_inf, 1);
  for (const float bad : {nan, INFINITY, -INFINITY})
    for (const int place : {0, 2500, 4999}) {
      const float good = std::exchange(gradients[place], bad);
      EXPECT_EQ(state_of(gradients, &fine, 1).found_inf, 1) << place;
      gradients[place] = good;
    }
  gradients[7] = 1e30f;  // its square is no fp32 number
  EXPECT_EQ(state_of(gradients, &fine, 1).found_inf, 0);
}
ATTUNE_INSTANTIATE_CUDA_TESTS(GradientStateOnDevice);

}  // namespace
}  // namespace attune
