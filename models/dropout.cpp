#include "models/dropout.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/dropout.h"
#include "models/device_kernels.h"
#include "models/saved_dropout.h"

namespace attune {
namespace {

at::Tensor apply_mask(const at::Tensor& x, const at::Tensor& token_uid, const at::Tensor& positions,
                      const Dropout& dropout) {
  const std::int64_t tokens = x.size(0), width = x.size(1);
  at::Tensor y = at::empty_like(x);
  const auto* uid = token_uid.const_data_ptr<std::int64_t>();
  const auto* place = positions.const_data_ptr<std::int32_t>();
  if (has_device_kernels(x)) {
    check_kernel(dropout_cuda(x.const_data_ptr<float>(), uid, place, y.mutable_data_ptr<float>(),
                              tokens, width, dropout, current_stream(x)));
    return y;
  }
  const float* from = x.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  at::parallel_for(0, tokens, 64, [&](std::int64_t begin, std::int64_t end) {
    dropout_cpu(from, uid, place, to, begin, end, width, dropout);
  });
  return y;
}

class CounterDropout : public torch::autograd::Function<CounterDropout> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& token_uid, const at::Tensor& positions,
                            const Dropout& dropout) {
    ctx->save_for_backward({token_uid, positions});
    save_dropout(*ctx, dropout);
    return apply_mask(x, token_uid, positions, dropout);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    return {apply_mask(grads[0].contiguous(), saved[0], saved[1], saved_dropout(*ctx)), {}, {}, {}};
  }
};

}  // namespace

at::Tensor dropout(const at::Tensor& x, const PackedTokens& tokens, const Dropout& dropout) {
  if (!dropout.on()) return x;
  return CounterDropout::apply(x.to(at::kFloat).contiguous(), tokens.token_uid, tokens.positions,
                               dropout);
}

}  // namespace attune
