#include "models/recompute.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace attune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The layer among what the graph keeps.
struct KeptLayer : torch::CustomClassHolder {
  explicit KeptLayer(StreamLayer f) : run(std::move(f)) {}
  StreamLayer run;
};

class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& residual,
                               const at::Tensor& input,
                               const c10::intrusive_ptr<KeptLayer>& layer) {
    ctx->save_for_backward({residual, input});
    ctx->saved_data["layer"] = at::IValue::make_capsule(layer);
    ctx->set_materialize_grads(false);
    const Stream out = layer->run({residual, input});
    return {out.residual, out.input.is_same(out.residual) ? out.input.detach() : out.input};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const auto layer =
        c10::static_intrusive_pointer_cast<KeptLayer>(ctx->saved_data["layer"].toCapsule());
    variable_list inputs;
    for (std::size_t i = 0; i < saved.size(); ++i)
      inputs.push_back(saved[i].detach().requires_grad_(ctx->needs_input_grad(i)));
    Stream out;
    {
      const at::AutoGradMode graph(true);
      out = layer->run({inputs[0], inputs[1]});
    }
    variable_list roots, root_grads;
    const at::Tensor outputs[] = {out.residual, out.input};
    for (std::size_t i = 0; i < grads.size(); ++i)
      if (grads[i].defined() && outputs[i].requires_grad()) {
        roots.push_back(outputs[i]);
        root_grads.push_back(grads[i]);
      }
    if (!roots.empty()) torch::autograd::backward(roots, root_grads);
    return {inputs[0].grad(), inputs[1].grad(), {}};
  }
};

}  // namespace

Stream run_layer(const Stream& stream, const ForwardOptions& options, const StreamLayer& layer) {
  // Where nothing below is trained a frozen layer builds no graph, and the first trained one keeps
  // what it needs.
  if (!options.recompute_layers || !at::GradMode::is_enabled() || !stream.residual.requires_grad())
    return layer(stream);
  const variable_list out =
      Recomputed::apply(stream.residual, stream.input, c10::make_intrusive<KeptLayer>(layer));
  return {out[0], out[1]};
}

}  // namespace attune
