// The CUDA add_layer_norm against the CPU's, which is held to the definition elsewhere.
#include <limits>

#include "kernels/dropout.h"
#include "kernels/layer_norm.h"
#include "tests/kernels/cuda_device.h"
#include "tests/kernels/kernel_data.h"

namespace attune {
namespace {

struct Case {
  std::int64_t rows, width;
  double dropout = 0;
  bool residual = true, bias = true, pre_norm = false;
  std::int64_t offset = 0;  // elements from where packs could be read
};

template <class T>
class Check {
 public:
  Check(const Case& c, unsigned seed) : c_(c), count_(c.rows * c.width) {
    x_ = narrowed<T>(normal_values(count_, seed, 2));
    residual_ = normal_values(count_, seed + 1, 2);
    weight_ = normal_values(c.width, seed + 2);
    bias_ = c.bias ? normal_values(c.width, seed + 3) : std::vector<float>(c.width);
    grad_y_ = normal_values(count_, seed + 4);
    grad_narrow_ = narrowed<T>(normal_values(count_, seed + 5));
    grad_sum_ = normal_values(count_, seed + 6);
    for (std::int64_t t = 0; t < c.rows; ++t) {
      uid_.push_back(50 + t / 3);
      positions_.push_back(static_cast<std::int32_t>(t % 3));
    }
    norm_.width = c.width;
    norm_.epsilon = 1e-5f;
    norm_.dropout = Dropout::make(c.dropout, 1, 2, 0, DropoutSite::kOutput);
  }

  AddLayerNorm on_host() const {
    AddLayerNorm norm = norm_;
    norm.weight = weight_.data();
    norm.bias = bias_.data();
    norm.token_uid = uid_.data();
    norm.positions = positions_.data();
    return norm;
  }

  // What the CPU makes of it.
  void expect_forward() {
    y_.resize(count_);
    y_narrow_.resize(count_);
    n_.resize(count_);
    inverse_.resize(c_.rows);
    add_layer_norm_forward_cpu<T>(on_host(),
                                  {x_.data(), c_.residual ? residual_.data() : nullptr, y_.data(),
                                   y_narrow_.data(), n_.data(), inverse_.data()},
                                  0, c_.rows);
    sum_ = widened(x_);
    if (norm_.dropout.on())
      dropout_cpu(sum_.data(), uid_.data(), positions_.data(), sum_.data(), 0, c_.rows, c_.width,
                  norm_.dropout);
    for (std::int64_t i = 0; i < count_; ++i) sum_[i] += c_.residual ? residual_[i] : 0;
  }

  // `kept`: n as forward has kept it, rounded or not.
  void expect_backward(const std::vector<float>& kept) {
    grad_residual_.resize(count_);
    grad_x_.resize(count_);
    grad_weight_.assign(c_.width, 0.5f);  // added to what is there
    grad_bias_.assign(c_.width, -0.5f);
    add_layer_norm_backward_cpu<T>(
        on_host(),
        {grad_y_.data(), grad_narrow_.data(), kept.data(), inverse_.data(), grad_residual_.data(),
         grad_x_.data(), grad_weight_.data(), grad_bias_.data()},
        0, c_.rows);
    if (!c_.pre_norm) return;
    std::vector<float> grad(count_);
    for (std::int64_t i = 0; i < count_; ++i) grad_residual_[i] += grad_sum_[i];
    if (norm_.dropout.on())
      dropout_cpu(grad_residual_.data(), uid_.data(), positions_.data(), grad.data(), 0, c_.rows,
                  c_.width, norm_.dropout);
    else
      grad = grad_residual_;
    grad_x_ = narrowed<T>(grad);
  }

  void compare(const std::vector<float>& y, const std::vector<T>& y_narrow,
               const std::vector<float>& grad_residual, const std::vector<T>& grad_x,
               const std::vector<float>& grad_weight, const std::vector<float>& grad_bias) {
    constexpr double kOfBothRounded = 2 * kRounding<T>;  // either way
    expect_near(y, y_, 1e-5, 0, "y");
    expect_near(y_narrow, y_narrow_, 1e-5, kOfBothRounded, "y_narrow");
    expect_near(grad_residual, grad_residual_, 3e-5, 0, "grad_residual");
    expect_near(grad_x, grad_x_, 5e-5, kOfBothRounded, "grad_x");
    const double of_sums = 3e-6 * static_cast<double>(c_.rows + 10);
    expect_near(grad_weight, grad_weight_, of_sums, 0, "grad_weight");
    if (c_.bias) expect_near(grad_bias, grad_bias_, of_sums, 0, "grad_bias");
  }

  Case c_;
  std::int64_t count_;
  AddLayerNorm norm_;
  std::vector<T> x_, grad_narrow_, y_narrow_, grad_x_;
  std::vector<float> residual_, weight_, bias_, grad_y_, grad_sum_, y_, n_, inverse_, sum_,
      grad_residual_, grad_weight_, grad_bias_;
  std::vector<std::int64_t> uid_;
  std::vector<std::int32_t> positions_;
};

class AddLayerNormOnDevice : public CudaTest {
 protected:
  // Forward, then backward with what it has kept.
  template <class T>
  void check(const Case& c, bool narrow_kept) {
    SCOPED_TRACE(testing::Message() << c.rows << " x " << c.width << ", dropout " << c.dropout
                                    << ", bytes " << sizeof(T) << ", narrow " << narrow_kept);
    Check<T> k(c, static_cast<unsigned>(c.rows + 7 * c.width));
    k.expect_forward();
    const std::int64_t count = k.count_;
    // One element further, every pack would be torn.
    const auto in = [&](auto values) {
      if (values.empty()) return device(values);
      values.insert(values.begin(), c.offset, values[0]);
      return device(values) + c.offset;
    };
    AddLayerNorm norm = k.norm_;
    norm.weight = in(k.weight_);
    norm.bias = c.bias ? in(k.bias_) : nullptr;
    norm.token_uid = device(k.uid_);
    norm.positions = device(k.positions_);
    float *y = space<float>(count), *n = space<float>(count), *inverse = space<float>(c.rows),
          *sum = space<float>(count), *grad_residual = space<float>(count);
    T *y_narrow = space<T>(count), *n_narrow = space<T>(count), *grad_x = space<T>(count);
    AddLayerNormForward<T> forward{
        in(k.x_), c.residual ? in(k.residual_) : nullptr, y, y_narrow, narrow_kept ? nullptr : n,
        inverse};
    forward.normalized_narrow = narrow_kept ? n_narrow : nullptr;
    forward.sum = c.pre_norm ? sum : nullptr;
    ATTUNE_EXPECT_CUDA(add_layer_norm_forward_cuda(norm, forward, c.rows, nullptr));
    if (c.pre_norm) expect_near(host(sum, count), k.sum_, 1e-6, 1e-6, "sum");
    expect_near(host(inverse, c.rows), k.inverse_, 0, 1e-5, "inverse_deviation");
    const std::vector<float> kept = narrow_kept ? widened(host(n_narrow, count)) : host(n, count);
    expect_near(kept, k.n_, 1e-5, narrow_kept ? kRounding<T> : 0, "n");
    k.expect_backward(kept);

    float* grad_weight = device(std::vector<float>(c.width, 0.5f));
    float* grad_bias = c.bias ? device(std::vector<float>(c.width, -0.5f)) : nullptr;
    AddLayerNormBackward<T> backward{in(k.grad_y_), in(k.grad_narrow_), forward.normalized,
                                     inverse,       grad_residual,      grad_x,
                                     grad_weight,   grad_bias};
    backward.normalized_narrow = forward.normalized_narrow;
    backward.grad_sum = c.pre_norm ? in(k.grad_sum_) : nullptr;
    ATTUNE_EXPECT_CUDA(add_layer_norm_backward_cuda(
        norm, backward, c.rows, space<float>(norm_workspace(c.rows, c.width)), nullptr));
    k.compare(host(y, count), host(y_narrow, count), host(grad_residual, count),
              host(grad_x, count), host(grad_weight, c.width),
              c.bias ? host(grad_bias, c.width) : std::vector<float>());
  }
};

TEST_P(AddLayerNormOnDevice, EqualsTheProcessors) {
  for (const Case& c :
       {Case{3, 384, 0.1}, Case{5, 768, 0, false}, Case{9, 1024, 0.3}, Case{2, 128, 0, true, false},
        Case{1, 1}, Case{4, 5, 0.5}, Case{3, 33, 0.1, false}, Case{7, 132, 0, true, true, true},
        Case{2, 1028, 0.1, true, false, true}, Case{3, 2050}, Case{2, kMaxNormWidth, 0.1},
        Case{1, kMaxNormWidth - 1}, Case{0, 384}, Case{4, 384, 0.1, true, true, false, 1}}) {
    check<float>(c, false);
    check<BFloat16>(c, false);
    check<BFloat16>(c, true);
  }
}

// More rows than parts of the sums, and not a multiple of anything.
TEST_P(AddLayerNormOnDevice, SumsOverManyRows) {
  check<BFloat16>({4099, 12, 0.1}, true);
  check<float>({4099, 3}, false);
}

TEST_P(AddLayerNormOnDevice, WritesOnlyWhatIsWanted) {
  const Case c{3, 8};
  Check<BFloat16> k(c, 1);
  k.expect_forward();
  AddLayerNorm norm = k.norm_;
  norm.weight = device(k.weight_);
  norm.bias = device(k.bias_);
  BFloat16* y = space<BFloat16>(24);
  const AddLayerNormForward<BFloat16> forward{
      device(k.x_), device(k.residual_), nullptr, y, nullptr, nullptr};
  ATTUNE_EXPECT_CUDA(add_layer_norm_forward_cuda(norm, forward, 3, nullptr));
  expect_near(host(y, 24), k.y_narrow_, 1e-5, 2 * kRounding<BFloat16>, "y_narrow");
  k.expect_backward(k.n_);
  // Frozen weights, and a residual that is the sum's own place.
  float* sum = device(k.residual_);
  AddLayerNormForward<BFloat16> in_place{device(k.x_), sum, nullptr, y, nullptr, nullptr};
  in_place.sum = sum;
  ATTUNE_EXPECT_CUDA(add_layer_norm_forward_cuda(norm, in_place, 3, nullptr));
  expect_near(host(sum, 24), k.sum_, 1e-6, 1e-6, "sum");
  float* grad = space<float>(24);
  AddLayerNormBackward<BFloat16> backward{device(k.grad_y_),
                                          device(k.grad_narrow_),
                                          device(k.n_),
                                          device(k.inverse_),
                                          grad,
                                          nullptr,
                                          nullptr,
                                          nullptr};
  ATTUNE_EXPECT_CUDA(add_layer_norm_backward_cuda(norm, backward, 3, nullptr, nullptr));
  expect_near(host(grad, 24), k.grad_residual_, 3e-5, 0, "grad_residual");
}

TEST_P(AddLayerNormOnDevice, ARowThatIsNotFiniteSpoilsItselfAlone) {
  const Case c{3, 384};
  Check<float> k(c, 1);
  k.x_[384 + 100] = std::numeric_limits<float>::infinity();
  AddLayerNorm norm = k.norm_;
  norm.weight = device(k.weight_);
  norm.bias = device(k.bias_);
  float* y = space<float>(3 * 384);
  ATTUNE_EXPECT_CUDA(add_layer_norm_forward_cuda<float>(
      norm, {device(k.x_), device(k.residual_), y, nullptr, nullptr, nullptr}, 3, nullptr));
  const std::vector<float> result = host(y, 3 * 384);
  for (int i = 0; i < 3 * 384; ++i) ASSERT_EQ(std::isfinite(result[i]), i / 384 != 1) << i;
}

TEST_P(AddLayerNormOnDevice, RefusesWhatItCannotDo) {
  float some[4] = {};
  AddLayerNorm norm;
  norm.weight = some;
  AddLayerNormForward<float> forward{some, nullptr, some, nullptr, nullptr, nullptr};
  AddLayerNormBackward<float> backward{some, nullptr, nullptr, some, some, nullptr, some, some};
  for (const std::int64_t width : {std::int64_t{0}, kMaxNormWidth + 1, std::int64_t{-1}}) {
    norm.width = width;
    EXPECT_NE(add_layer_norm_forward_cuda(norm, forward, 1, nullptr), 0) << width;
  }
  norm.width = 4;
  EXPECT_NE(add_layer_norm_backward_cuda(norm, backward, 1, some, nullptr), 0) << "nothing kept";
  norm.weight = nullptr;
  EXPECT_NE(add_layer_norm_forward_cuda(norm, forward, 1, nullptr), 0) << "no weight";
}

ATTUNE_INSTANTIATE_CUDA_TESTS(AddLayerNormOnDevice);

}  // namespace
}  // namespace attune
