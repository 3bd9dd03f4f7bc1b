// pytorch_model.bin of the one plain shape: torch.save of a state_dict, a zip archive (read and
// written by LibTorch) with a pickle and one record for each storage. The pickle is a program;
// this reader knows only the opcodes and the four names that a state_dict needs, builds tensors
// itself and calls nothing. Everything else is refused by name.
// Format: research of torch/serialization.py and torch/_utils.py of torch 2.11; Python's
// pickletools.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/weights_file.h"

namespace attune {

// In the file's order, as fp32 on the CPU whatever device and float type they were saved with.
// Error{kData} with the path: no such archive, another kind of pickle, sizes that do not fit.
std::vector<NamedTensor> read_torch_state(const std::string& path);

// All tensors of `safetensors`, or where that file is not there those of `pickle`, as fp32 on the
// CPU. Error{kData} where one is of no float type.
std::map<std::string, at::Tensor> read_state(const std::string& safetensors,
                                             const std::string& pickle);

// What Python's torch.load(weights_only=True) reads as a dict of fp32 tensors.
std::string torch_state_bytes(const std::vector<NamedTensor>& tensors);

}  // namespace attune
