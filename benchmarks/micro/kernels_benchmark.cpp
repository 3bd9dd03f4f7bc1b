// Microseconds of each CUDA kernel, of the ATen operators that do the same, and of the bytes it has
// to move at the rate of a device copy measured in the same run. One JSON object a line:
//   kernels_benchmark [TOKENS [WIDTH ...]]        default: 65536 tokens; widths 384 768 1024
// "us": the kernel; "aten_us": the composition; "limit_us": bytes / copy rate. Medians of
// kRepeats runs of kLaunches launches each. With few tokens everything lies in the L2 cache, and
// the times say little about a training step.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/embedding_dense_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/native_dropout.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"
#include "core/json.h"
#include "kernels/adamw.h"
#include "kernels/column_sums.h"
#include "kernels/cross_entropy.h"
#include "kernels/cuda_kernels.h"
#include "kernels/dropout.h"
#include "kernels/embedding.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/pooling.h"

namespace attune {
namespace {

constexpr int kRepeats = 7, kLaunches = 20;

const at::TensorOptions kFp32 = at::TensorOptions().device(at::kCUDA).dtype(at::kFloat);
const at::TensorOptions kBf16 = kFp32.dtype(at::kBFloat16);

template <class T>
T* elements(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

void* stream() { return at::cuda::getCurrentCUDAStream().stream(); }

void check(int code) {
  if (code != 0) throw_error(ErrorKind::kFailed, "a kernel failed: ", cuda_error_text(code));
}

template <class Run>
double microseconds(const Run& run) {
  for (int i = 0; i < kLaunches; ++i) run();
  std::vector<double> times;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    at::cuda::CUDAEvent begin(cudaEventDefault), end(cudaEventDefault);
    begin.record();
    for (int i = 0; i < kLaunches; ++i) run();
    end.record();
    end.synchronize();
    times.push_back(begin.elapsed_time(end) * 1000 / kLaunches);
  }
  std::nth_element(times.begin(), times.begin() + kRepeats / 2, times.end());
  return times[kRepeats / 2];
}

// Bytes read and written per microsecond by a copy that no cache holds.
double copy_rate() {
  const at::Tensor from = at::zeros({std::int64_t{1} << 28}, kFp32), to = at::empty_like(from);
  return 2.0 * static_cast<double>(from.nbytes()) / microseconds([&] { to.copy_(from); });
}

class Bench {
 public:
  explicit Bench(std::int64_t tokens) : tokens_(tokens), rate_(copy_rate()) {
    Json line;
    line["device_copy_gb_s"] = rate_ / 1000;
    std::printf("%s\n", line.dump().c_str());
  }

  template <class Ours, class Aten>
  void compare(const char* name, std::int64_t rows, std::int64_t columns, double bytes,
               const Ours& ours, const Aten& aten) {
    const double us = microseconds([&] { check(ours()); }), aten_us = microseconds(aten);
    Json line;
    line["kernel"] = name;
    line["rows"] = rows;
    line["columns"] = columns;
    line["us"] = us;
    line["aten_us"] = aten_us;
    line["speedup"] = aten_us / us;
    line["limit_us"] = bytes / rate_;
    line["of_limit"] = bytes / rate_ / us;
    std::printf("%s\n", line.dump().c_str());
    std::fflush(stdout);
  }

  void layer_norm(std::int64_t width, double dropout_probability);
  void gelu(std::int64_t columns);
  void embedding(std::int64_t width);
  void pooling(std::int64_t width);
  void contrastive(std::int64_t rows, std::int64_t columns);
  void adamw(std::int64_t count);

 private:
  std::int64_t tokens_;
  double rate_;
};

void Bench::layer_norm(std::int64_t width, double dropout_probability) {
  const at::Tensor x = at::randn({tokens_, width}, kBf16), residual = at::randn_like(x, kFp32),
                   weight = at::ones({width}, kFp32), bias = at::zeros({width}, kFp32),
                   y = at::empty_like(residual), y_narrow = at::empty_like(x),
                   n = at::empty_like(x), inverse = at::empty({tokens_}, kFp32),
                   uid = at::arange(tokens_, kFp32.dtype(at::kLong)).div_(128, "floor"),
                   places = at::arange(tokens_, kFp32.dtype(at::kInt)).remainder_(128);
  AddLayerNorm norm;
  norm.width = width;
  norm.epsilon = 1e-12f;
  norm.weight = elements<float>(weight);
  norm.bias = elements<float>(bias);
  norm.dropout = Dropout::make(dropout_probability, 1, 1, 0, DropoutSite::kOutput);
  norm.token_uid = elements<std::int64_t>(uid);
  norm.positions = elements<std::int32_t>(places);
  AddLayerNormForward<BFloat16> forward{elements<BFloat16>(x),
                                        elements<float>(residual),
                                        elements<float>(y),
                                        elements<BFloat16>(y_narrow),
                                        nullptr,
                                        elements<float>(inverse)};
  forward.normalized_narrow = elements<BFloat16>(n);
  const auto count = static_cast<double>(tokens_ * width);
  const auto dropped = [&](const at::Tensor& from) {
    return dropout_probability > 0
               ? std::get<0>(at::native_dropout(from, dropout_probability, true))
               : from;
  };
  compare(
      dropout_probability > 0 ? "add_layer_norm_forward_dropout" : "add_layer_norm_forward",
      tokens_, width, count * (2 + 4 + 4 + 2 + 2),
      [&] { return add_layer_norm_forward_cuda(norm, forward, tokens_, stream()); },
      [&] {
        const at::Tensor out = std::get<0>(
            at::native_layer_norm(residual + dropped(x), {width}, weight, bias, norm.epsilon));
        return out.to(at::kBFloat16);
      });

  const at::Tensor grad_y = at::randn_like(residual), grad_narrow = at::randn_like(x),
                   grad_residual = at::empty_like(residual), grad_x = at::empty_like(x),
                   grad_weight = at::zeros_like(weight), grad_bias = at::zeros_like(bias),
                   workspace = at::empty({norm_workspace(tokens_, width)}, kFp32);
  AddLayerNormBackward<BFloat16> backward{
      elements<float>(grad_y),      elements<BFloat16>(grad_narrow), nullptr,
      elements<float>(inverse),     elements<float>(grad_residual),  elements<BFloat16>(grad_x),
      elements<float>(grad_weight), elements<float>(grad_bias)};
  backward.normalized_narrow = forward.normalized_narrow;
  const at::Tensor mean = at::zeros({tokens_, 1}, kFp32), deviation = inverse.view({-1, 1});
  compare(
      dropout_probability > 0 ? "add_layer_norm_backward_dropout" : "add_layer_norm_backward",
      tokens_, width, count * (4 + 2 + 2 + 4 + 2),
      [&] {
        return add_layer_norm_backward_cuda(norm, backward, tokens_, elements<float>(workspace),
                                            stream());
      },
      [&] {
        const auto grads =
            at::native_layer_norm_backward(grad_y + grad_narrow, residual, {width}, mean, deviation,
                                           weight, bias, {true, true, true});
        grad_weight.add_(std::get<1>(grads));
        grad_bias.add_(std::get<2>(grads));
        return dropped(std::get<0>(grads)).to(at::kBFloat16);
      });

  if (dropout_probability > 0)
    compare(
        "dropout", tokens_, width, count * 4,
        [&] {
          return dropout_cuda(elements<BFloat16>(x), elements<std::int64_t>(uid),
                              elements<std::int32_t>(places), elements<BFloat16>(y_narrow), tokens_,
                              width, norm.dropout, stream());
        },
        [&] { return dropped(x); });
}

void Bench::gelu(std::int64_t columns) {
  const at::Tensor x = at::randn({tokens_, columns}, kBf16), bias = at::randn({columns}, kFp32),
                   narrow_bias = bias.to(at::kBFloat16), y = at::empty_like(x),
                   derivative = at::empty_like(x), grad_y = at::randn_like(x),
                   grad_bias = at::zeros({columns}, kFp32),
                   workspace = at::empty({column_sums_workspace(tokens_, columns)}, kFp32);
  const auto count = static_cast<double>(tokens_ * columns);
  compare(
      "bias_gelu_forward", tokens_, columns, count * 6,
      [&] {
        return bias_gelu_forward_cuda(elements<BFloat16>(x), elements<float>(bias),
                                      elements<BFloat16>(y), elements<BFloat16>(derivative),
                                      tokens_, columns, stream());
      },
      [&] { return at::gelu(x + narrow_bias); });
  compare(
      "bias_gelu_backward", tokens_, columns, count * 6,
      [&] {
        return bias_gelu_backward_cuda(elements<BFloat16>(grad_y), elements<BFloat16>(derivative),
                                       elements<BFloat16>(y), elements<float>(grad_bias),
                                       elements<float>(workspace), tokens_, columns, stream());
      },
      [&] { grad_bias.add_(at::gelu_backward(grad_y, x).sum(0, false, at::kFloat)); });
  compare(
      "add_column_sums", tokens_, columns, count * 2,
      [&] {
        return add_column_sums_cuda(elements<BFloat16>(x), elements<float>(grad_bias),
                                    elements<float>(workspace), tokens_, columns, stream());
      },
      [&] { grad_bias.add_(x.sum(0, false, at::kFloat)); });
}

void Bench::embedding(std::int64_t width) {
  constexpr std::int64_t kWords = 30522, kPlaces = 512;
  const at::Tensor word = at::randn({kWords, width}, kFp32),
                   position = at::randn({kPlaces, width}, kFp32),
                   type = at::randn({1, width}, kFp32), weight = at::ones({width}, kFp32),
                   bias = at::zeros({width}, kFp32), y = at::empty({tokens_, width}, kFp32),
                   y_narrow = at::empty({tokens_, width}, kBf16), n = at::empty_like(y_narrow),
                   inverse = at::empty({tokens_}, kFp32),
                   places = at::arange(tokens_, kFp32.dtype(at::kInt)).remainder_(128);
  // Words as they are spread in text: few of them make most of the tokens.
  const at::Tensor ids =
      at::randn({tokens_}, kFp32).abs_().pow_(6).mul_(100).clamp_max_(kWords - 1).to(at::kInt);
  EmbeddingRows rows;
  rows.word = elements<float>(word);
  rows.position = elements<float>(position);
  rows.type = elements<float>(type);
  rows.words = kWords;
  rows.positions = kPlaces;
  rows.types = 1;
  rows.ids = elements<std::int32_t>(ids);
  rows.places = elements<std::int32_t>(places);
  AddLayerNorm norm;
  norm.width = width;
  norm.epsilon = 1e-12f;
  norm.weight = elements<float>(weight);
  norm.bias = elements<float>(bias);
  EmbeddingForward<BFloat16> forward;
  forward.y = elements<float>(y);
  forward.y_narrow = elements<BFloat16>(y_narrow);
  forward.normalized_narrow = elements<BFloat16>(n);
  forward.inverse_deviation = elements<float>(inverse);
  const auto count = static_cast<double>(tokens_ * width);
  compare(
      "embedding_forward", tokens_, width, count * (4 + 4 + 2 + 2),
      [&] { return embedding_forward_cuda(rows, norm, forward, tokens_, stream()); },
      [&] {
        const at::Tensor sum = at::embedding(word, ids) + type + at::embedding(position, places);
        return std::get<0>(at::native_layer_norm(sum, {width}, weight, bias, norm.epsilon))
            .to(at::kBFloat16);
      });

  const at::Tensor host_ids = ids.cpu(), plan = at::empty({ScatterPlan::size(tokens_)}, at::kInt);
  make_scatter_plan(elements<std::int32_t>(host_ids), tokens_, tokens_, kWords, -1,
                    elements<std::int32_t>(plan));
  const at::Tensor on_device = plan.to(at::kCUDA), grad = at::randn_like(y),
                   table = at::zeros_like(word),
                   workspace = at::empty({scatter_workspace(tokens_, width)}, kFp32);
  compare(
      "scatter_add", tokens_, width, count * 4,
      [&] {
        return scatter_add_cuda(elements<float>(grad),
                                ScatterPlan::in(elements<std::int32_t>(on_device), tokens_), width,
                                elements<float>(table), elements<float>(workspace), stream());
      },
      [&] {
        return at::embedding_dense_backward(grad, ids, kWords, -1, /*scale_grad_by_freq=*/false);
      });
}

void Bench::pooling(std::int64_t width) {
  constexpr std::int64_t kLength = 128;
  const std::int64_t sequences = tokens_ / kLength, tokens = sequences * kLength;
  if (sequences == 0) return;
  const at::Tensor x = at::randn({tokens, width}, kFp32),
                   offsets = at::arange(sequences + 1, kFp32.dtype(at::kInt)).mul_(kLength),
                   sequence = at::arange(tokens, kFp32.dtype(at::kLong)).div_(kLength, "floor"),
                   out = at::empty({sequences, width}, kFp32),
                   inverse = at::empty({sequences}, kFp32), grad_out = at::randn_like(out),
                   grad_x = at::empty_like(x);
  const PackedPooling pooling{
      PoolingKind::kMean, true, sequences, tokens, width, width, elements<std::int32_t>(offsets)};
  const auto bytes = static_cast<double>(tokens * width) * 4;
  compare(
      "pool_forward", tokens, width, bytes,
      [&] {
        return pool_forward_cuda(pooling, elements<float>(x), elements<float>(out),
                                 elements<float>(inverse), nullptr, stream());
      },
      [&] {
        const at::Tensor mean =
            at::zeros({sequences, width}, kFp32).index_add_(0, sequence, x) / kLength;
        return mean / at::linalg_vector_norm(mean, 2, {1}, true).clamp_min(1e-12);
      });
  compare(
      "pool_backward", tokens, width, bytes,
      [&] {
        return pool_backward_cuda(pooling, elements<float>(grad_out), elements<float>(out),
                                  elements<float>(inverse), nullptr, elements<float>(grad_x),
                                  stream());
      },
      [&] {
        const at::Tensor along = (grad_out * out).sum(1, true);
        const at::Tensor grad = (grad_out - out * along) * inverse.unsqueeze(1) / kLength;
        return grad.index_select(0, sequence);
      });
}

void Bench::contrastive(std::int64_t rows, std::int64_t columns) {
  const at::Tensor cosines = at::randn({rows, columns}, kFp32).mul_(0.05),
                   losses = at::empty({rows}, kFp32);
  const ContrastiveScores scores{elements<float>(cosines), rows, columns, 0, 20};
  const auto count = static_cast<double>(rows * columns);
  compare(
      "contrastive_cross_entropy", rows, columns, count * 8,
      [&] { return contrastive_cross_entropy_cuda(scores, 1, elements<float>(losses), stream()); },
      [&] {
        const at::Tensor s = cosines * 20, log_z = at::logsumexp(s, {1}, true);
        losses.copy_(log_z.squeeze(1) - s.diagonal());
        const at::Tensor p = (s - log_z).exp_();
        p.diagonal().sub_(1);
        return p;
      });
  const at::Tensor row_lse = at::empty({rows}, kFp32),
                   column_lse = at::full({columns}, -INFINITY, kFp32);
  compare(
      "log_sum_exp", rows, columns, count * 4,
      [&] {
        return log_sum_exp_cuda(scores, elements<float>(row_lse), elements<float>(column_lse),
                                stream());
      },
      [&] {
        const at::Tensor s = cosines * 20;
        row_lse.copy_(at::logsumexp(s, {1}));
        return at::logsumexp(s, {0});
      });
}

void Bench::adamw(std::int64_t count) {
  const at::Tensor values = at::randn({count}, kFp32), gradients = at::randn({count}, kFp32),
                   first = at::zeros({count}, kFp32), second = at::zeros({count}, kFp32),
                   working = at::empty({count}, kBf16),
                   workspace = at::empty({kSquaresWorkspace}, kFp32.dtype(at::kDouble)),
                   state = at::zeros({static_cast<std::int64_t>(sizeof(GradientState))},
                                     kFp32.dtype(at::kByte));
  AdamWStep step{};
  step.learning_rate = 1e-5f;
  step.keep = 1;
  step.beta1 = 0.9f;
  step.beta2 = 0.999f;
  step.epsilon = 1e-8f;
  step.one_minus_beta1 = 0.1f;
  step.one_minus_beta2 = 0.001f;
  step.correction1 = 0.1f;
  step.correction2_root = 0.0316f;
  at::Tensor step_at = at::empty({static_cast<std::int64_t>(sizeof(AdamWStep))}, at::kByte);
  *static_cast<AdamWStep*>(step_at.mutable_data_ptr()) = step;
  step_at = step_at.to(at::kCUDA);
  compare(
      "gradient_state", 1, count, static_cast<double>(count) * 4,
      [&] {
        return gradient_state_cuda(elements<float>(gradients), count, nullptr, 1,
                                   elements<double>(workspace), elements<GradientState>(state),
                                   stream());
      },
      [&] { return at::linalg_vector_norm(gradients, 2, {}, false, at::kDouble); });
  const std::vector<at::Tensor> count_of_steps = {at::full({}, 1.0, kFp32)};
  compare(
      "adamw", 1, count, static_cast<double>(count) * 34,
      [&] {
        return adamw_cuda(elements<AdamWStep>(step_at), elements<GradientState>(state),
                          elements<float>(values), elements<float>(gradients),
                          elements<float>(first), elements<float>(second),
                          elements<BFloat16>(working), 0, count, stream());
      },
      [&] {
        at::_fused_adamw_({values}, {gradients}, {first}, {second}, {}, count_of_steps, 1e-5, 0.9,
                          0.999, 0.0, 1e-8, false, false);
        working.copy_(values);
        gradients.zero_();
      });
}

void run(std::int64_t tokens, const std::vector<std::int64_t>& widths) {
  const at::NoGradGuard no_grad;
  if (!gpu_cuda_kernels() || at::cuda::device_count() == 0)
    throw_error(ErrorKind::kResources, "no GPU here: this benchmark has nothing to measure");
  Bench bench(tokens);
  for (const std::int64_t width : widths) {
    bench.layer_norm(width, 0);
    bench.layer_norm(width, 0.1);
    bench.gelu(4 * width);
    bench.embedding(width);
    bench.pooling(width);
  }
  for (const auto& [rows, columns] :
       {std::pair<std::int64_t, std::int64_t>{1024, 1024}, {4096, 4096}, {2048, 65536}})
    bench.contrastive(rows, columns);
  for (const std::int64_t count : {22'700'000, 109'000'000}) bench.adamw(count);
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) try {
  std::vector<std::int64_t> numbers;
  for (int i = 1; i < argc; ++i) {
    char* end = nullptr;
    numbers.push_back(std::strtoll(argv[i], &end, 10));
    if (*end != '\0' || numbers.back() < 1) {
      std::fprintf(stderr, "usage: %s [TOKENS [WIDTH ...]]   (whole numbers from 1)\n", argv[0]);
      return 2;
    }
  }
  const std::int64_t tokens = numbers.empty() ? 65536 : numbers[0];
  std::vector<std::int64_t> widths = {384, 768, 1024};
  if (numbers.size() > 1) widths.assign(numbers.begin() + 1, numbers.end());
  attune::run(tokens, widths);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
