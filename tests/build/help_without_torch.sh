#!/usr/bin/env bash
# help_without_torch.sh ATTUNE: the program answers help and version without loading LibTorch, which takes 200 to 600 ms.
set -euo pipefail
for question in --help --version; do
  loaded=$(LD_DEBUG=files "$1" "$question" 2>&1 >/dev/null)
  if ! grep -q 'libc\.so' <<<"$loaded"; then
    echo "the dynamic linker did not report what '$question' loads: this test proves nothing"
    exit 1
  fi
  if grep -oE '[^ ]*lib(torch|c10|attune)[^ ]*' <<<"$loaded" | sort -u | grep .; then
    echo "'$question' loads the libraries above"
    exit 1
  fi
done
