// The CUDA GELU, column sums and dropout against the CPU's.
#include <limits>

#include "kernels/column_sums.h"
#include "kernels/dropout.h"
#include "kernels/gelu.h"
#include "tests/kernels/cuda_device.h"
#include "tests/kernels/kernel_data.h"

namespace attune {
namespace {

struct Size {
  std::int64_t rows, columns;
};
// One column, odd ones, whole packs, several tiles; more rows than parts of a sum.
const Size kSizes[] = {{1, 1}, {3, 5}, {17, 384}, {2, 1536}, {5, 1027}, {4100, 8}, {0, 8}, {8, 0}};

class BiasGeluOnDevice : public CudaTest {
 protected:
  template <class T>
  void check(const Size& size, bool with_bias) {
    SCOPED_TRACE(testing::Message()
                 << size.rows << " x " << size.columns << ", bytes " << sizeof(T));
    const std::int64_t rows = size.rows, columns = size.columns, count = rows * columns;
    const std::vector<T> x = narrowed<T>(normal_values(count, 1, 3));
    const std::vector<float> bias = normal_values(columns, 2);
    std::vector<float> z = widened(x), expected(count), slope(count);
    for (std::int64_t i = 0; with_bias && i < count; ++i) z[i] += bias[i % columns];
    gelu_cpu<float>(z.data(), expected.data(), slope.data(), 0, count);

    T *y = space<T>(count), *derivative = device(x);  // the derivative may be x
    const float* added = with_bias ? device(bias) : nullptr;
    ATTUNE_EXPECT_CUDA(
        bias_gelu_forward_cuda<T>(derivative, added, y, derivative, rows, columns, nullptr));
    const double exact = sizeof(T) == 4 ? 5e-7 : 1e-6;
    expect_near(host(y, count), expected, exact, kRounding<T> + 1e-6, "y");
    expect_near(host(derivative, count), slope, exact, kRounding<T> + 1e-6, "derivative");
    T* in_place = device(x);
    ATTUNE_EXPECT_CUDA(
        bias_gelu_forward_cuda<T>(in_place, added, in_place, nullptr, rows, columns, nullptr));
    EXPECT_EQ(widened(host(in_place, count)), widened(host(y, count)));

    const std::vector<T> grad_y = narrowed<T>(normal_values(count, 3));
    const std::vector<T> kept = host(derivative, count);
    std::vector<float> grad_x(count);
    std::vector<double> grad_bias(columns, 0.25);
    for (std::int64_t i = 0; i < count; ++i) {
      grad_x[i] = widen(grad_y[i]) * widen(kept[i]);
      grad_bias[i % columns] += grad_x[i];
    }
    T* grad = device(grad_y);  // in place
    float* sums = device(std::vector<float>(columns, 0.25f));
    ATTUNE_EXPECT_CUDA(bias_gelu_backward_cuda<T>(
        grad, derivative, grad, sums, space<float>(column_sums_workspace(rows, columns)), rows,
        columns, nullptr));
    EXPECT_EQ(widened(host(grad, count)), widened(narrowed<T>(grad_x)));
    const std::vector<float> found = host(sums, columns);
    for (std::int64_t c = 0; c < columns; ++c)
      ASSERT_NEAR(found[c], grad_bias[c], 1e-6 * static_cast<double>(rows + 10));
    T* alone = space<T>(count);
    ATTUNE_EXPECT_CUDA(bias_gelu_backward_cuda<T>(device(grad_y), derivative, alone, nullptr,
                                                  nullptr, rows, columns, nullptr));
    EXPECT_EQ(widened(host(alone, count)), widened(narrowed<T>(grad_x)));
  }
};

TEST_P(BiasGeluOnDevice, EqualsTheProcessors) {
  for (const Size& size : kSizes) {
    check<float>(size, true);
    check<BFloat16>(size, true);
    check<BFloat16>(size, false);
  }
}

template <class T>
std::vector<T> magnitudes() {
  std::vector<T> x;
  for (float value = -40; value <= 40; value += 0.013f) x.push_back(narrow<T>(value));
  return x;
}

TEST_P(BiasGeluOnDevice, IsRightForEveryMagnitude) {
  const auto check_type = [&]<class T>(T, double tolerance) {
    const std::vector<T> x = magnitudes<T>();
    const auto count = static_cast<std::int64_t>(x.size());
    T *y = space<T>(count), *derivative = space<T>(count);
    ATTUNE_EXPECT_CUDA(
        bias_gelu_forward_cuda<T>(device(x), nullptr, y, derivative, 1, count, nullptr));
    const std::vector<T> values = host(y, count), slopes = host(derivative, count);
    for (std::int64_t i = 0; i < count; ++i) {
      const double value = widen(x[i]), phi = 0.5 * std::erfc(-value / std::sqrt(2.0));
      const double slope = phi + value * std::exp(-value * value / 2) / std::sqrt(2 * M_PI);
      const double size = std::max(1.0, std::abs(value)), relative = kRounding<T>;
      ASSERT_NEAR(widen(values[i]), value * phi,
                  tolerance * size + relative * std::abs(value * phi));
      ASSERT_NEAR(widen(slopes[i]), slope, 2 * tolerance + relative * std::abs(slope)) << value;
    }
  };
  check_type(float(), 1e-7);
  check_type(BFloat16(), 2e-7);
}

TEST_P(BiasGeluOnDevice, KeepsWhatIsNotFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = INFINITY;
  const auto check_type = [&]<class T>(T) {
    T *y = space<T>(3), *derivative = space<T>(3);
    ATTUNE_EXPECT_CUDA(bias_gelu_forward_cuda<T>(device(narrowed<T>({nan, inf, -inf})), nullptr, y,
                                                 derivative, 3, 1, nullptr));
    const std::vector<float> values = widened(host(y, 3)), slopes = widened(host(derivative, 3));
    EXPECT_TRUE(std::isnan(values[0]) && std::isnan(slopes[0]));
    EXPECT_EQ(values[1], inf);
    EXPECT_FALSE(values[2] > 0);
  };
  check_type(float());
  check_type(BFloat16());
}

ATTUNE_INSTANTIATE_CUDA_TESTS(BiasGeluOnDevice);

class ColumnSumsOnDevice : public CudaTest {
 protected:
  template <class T>
  void check(const Size& size) {
    const std::int64_t count = size.rows * size.columns;
    const std::vector<T> x = narrowed<T>(normal_values(count, 4));
    std::vector<float> expected(size.columns, 2);
    add_column_sums_cpu(x.data(), expected.data(), size.rows, size.columns);
    std::vector<float> first;
    for (int run = 0; run < 2; ++run) {
      float* sums = device(std::vector<float>(size.columns, 2));
      ATTUNE_EXPECT_CUDA(add_column_sums_cuda<T>(
          device(x), sums, space<float>(column_sums_workspace(size.rows, size.columns)), size.rows,
          size.columns, nullptr));
      const std::vector<float> found = host(sums, size.columns);
      expect_near(found, expected, 2e-6 * static_cast<double>(size.rows + 10), 0, "sums");
      if (run == 0) first = found;
      EXPECT_EQ(found, first) << "equal bits in every run";
    }
  }
};

TEST_P(ColumnSumsOnDevice, EqualTheProcessors) {
  for (const Size& size : kSizes) {
    check<float>(size);
    check<BFloat16>(size);
  }
}
ATTUNE_INSTANTIATE_CUDA_TESTS(ColumnSumsOnDevice);

using DropoutOnDevice = CudaTest;

TEST_P(DropoutOnDevice, HasTheProcessorsBits) {
  for (const Size& size : kSizes)
    for (const double p : {0.3, 0.9}) {
      const std::int64_t count = size.rows * size.columns;
      std::vector<std::int64_t> uid;
      std::vector<std::int32_t> positions;
      for (std::int64_t t = 0; t < size.rows; ++t) {
        uid.push_back(t / 5 * 1'000'000'007);
        positions.push_back(static_cast<std::int32_t>(t % 5));
      }
      const Dropout mask = Dropout::make(p, 1, 2, 3, DropoutSite::kOutput);
      const std::vector<float> x = widened(narrowed<BFloat16>(normal_values(count, 5)));
      std::vector<float> expected(count);
      dropout_cpu(x.data(), uid.data(), positions.data(), expected.data(), 0, size.rows,
                  size.columns, mask);
      float* y = device(x);  // in place
      BFloat16* narrow_y = space<BFloat16>(count);
      ATTUNE_EXPECT_CUDA(dropout_cuda<float>(y, device(uid), device(positions), y, size.rows,
                                             size.columns, mask, nullptr));
      ATTUNE_EXPECT_CUDA(dropout_cuda<BFloat16>(device(narrowed<BFloat16>(x)), device(uid),
                                                device(positions), narrow_y, size.rows,
                                                size.columns, mask, nullptr));
      EXPECT_EQ(host(y, count), expected);
      EXPECT_EQ(widened(host(narrow_y, count)), widened(narrowed<BFloat16>(expected)));
    }
}
ATTUNE_INSTANTIATE_CUDA_TESTS(DropoutOnDevice);

TEST(KernelsForDevices, SayWhereThereAreNone) {
  set_cuda_kernels(nullptr);
  float x = 0;
  const int code = add_column_sums_cuda<float>(&x, &x, &x, 1, 1, nullptr);
  EXPECT_EQ(code, kNoCudaKernels);
  EXPECT_STREQ(cuda_error_text(code), "this build has no CUDA kernels");
  set_cuda_kernels(gpu_cuda_kernels());
}

}  // namespace
}  // namespace attune
