#!/usr/bin/env bash
# sources.sh REPOSITORY: words that no source may contain outside a comment, each with its reason (torch/torch.h and
# spdlog are looked for by scripts/check_arrows.py).
set -euo pipefail
cd "$1"
status=0
forbid() {  # forbid REASON PATTERN [FILE that may...]
  local reason=$1 pattern=$2 found
  shift 2
  found=$(find apps benchmarks core data include kernels models pipeline retrieval tests trainer -type f \
    \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
    xargs -0 grep -nE "$pattern" /dev/null | grep -vE '^[^:]+:[0-9]+: *//' | grep -vF "${1:-:no file may:}" || true)
  if [[ -n $found ]]; then
    printf '%s\n  why not: %s\n' "$found" "$reason"
    status=1
  fi
}

forbid "pickles and TorchScript run code or are refused by Python; weights are safetensors (hazard 8)" \
  'torch::(load|save|pickle_load|pickle_save)\b|jit::(load|import_ir_module|pickle_load|pickle_save)\b'
forbid "only the strict reader sees yaml-cpp (hazard 6)" '#include *[<"]yaml-cpp/' core/config_
forbid "only the log sees fmt, which torch shadows (hazard 1)" '#include *[<"]fmt/' core/log.cpp
forbid "the system's copy has known holes (hazard 7)" '#include *[<"]httplib\.h'
exit $status
