#!/usr/bin/env bash
# Fails, naming file and line, on C++ and CUDA sources that clang-format would change. The version is the one pinned in
# requirements/peers.in; to mend: git ls-files '*.cpp' '*.h' '*.cu' | xargs .venv/bin/clang-format -i
set -euo pipefail
cd "$(dirname "$0")/.."

formatter=.venv/bin/clang-format
if [[ ! -x $formatter ]]; then
  echo "skipped: $formatter is not there; scripts/setup --peers installs it" >&2
  exit 77
fi
mapfile -t sources < <(find apps benchmarks core data include kernels models pipeline retrieval tests trainer \
  \( -name '*.cpp' -o -name '*.h' -o -name '*.cu' \) -print | sort)
"$formatter" --dry-run -Werror "${sources[@]}"
