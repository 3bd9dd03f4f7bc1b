#!/usr/bin/env bash
# scripts/gpu_check.sh with programs that only pretend: what it does where steps pass, fail, hang or are missing.
set -uo pipefail
source_dir=$1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place" || exit 1

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

pretend() {  # pretend NAME: a program whose text is on stdin
  { echo '#!/bin/sh'; cat; } >"bin/$1"
  chmod +x "bin/$1"
}

mkdir -p bin scripts build/gpu build/gpu-carry benchmarks/peers
cp "$source_dir/scripts/gpu_check.sh" scripts/
echo 'echo "Pretended GPU, 1, 2 MiB"' | pretend nvidia-smi
echo 'echo "release 13.0"' | pretend nvcc
pretend python3 <<'END'
case "$*" in
  *torch.__path__*) echo "2.11.0 /nowhere/torch" ;;
  *gpu.py*)
    echo "$*" >>asked
    reports=$(echo "$*" | sed 's/.*--reports \([^ ]*\).*/\1/')
    only=$(echo "$*" | sed 's/.*--only //' | tr ' ' -)
    echo page >"$reports/gpu-$only.md"
    echo "{}" >"$reports/gpu-$only.json"
    echo "report: gpu-$only.md" ;;
esac
END
pretend cmake <<'END'
echo "cmake $*" >>asked
case "$*" in
  *"--target help"*) echo "kernels_benchmark: phony" ;;
  *--build*)
    [ ! -f build-fails ] || { echo "a compiler's complaint"; exit 1; }
    mkdir -p build/gpu
    for name in plain_tests torch_tests kernels_benchmark; do cp bin/binary "build/gpu/$name"; done ;;
esac
END
pretend binary <<'END'
case "$0 $*" in
  *gtest_list_tests*) printf 'Running main() from gtest_main.cc\nCuda.\n  Works\n' ;;
  *kernels_benchmark*) echo '{"kernel": "gelu"}'; echo "not JSON" ;;
esac
END
echo 'echo "100% tests passed, 0 tests failed out of 3"; [ ! -f skips ] || echo "1 - a (***Skipped)"' | pretend ctest
pretend compute-sanitizer <<'END'
case "$*" in
  *memcheck*torch_tests*) sleep 60 ;;
  *racecheck*) echo "RACECHECK SUMMARY: 1 hazard"; exit 9 ;;
  *) echo "ERROR SUMMARY: 0 errors" ;;
esac
END
PATH=$place/bin:$PATH
# shellcheck disable=SC2016
sed -i 's/step "$tool-$binary" 120/step "$tool-$binary" 6/' scripts/gpu_check.sh

export OUT=$place/out
scripts/gpu_check.sh >all.log 2>&1 && fail "steps failed and the whole did not"
table=$(<out/gpu_check.md)
row() { grep -E "^\| $1 +\| $2" <<<"$table" >/dev/null || fail "no row '$1' with '$2' in:
$table"; }
row configure passed
row build passed
row cuda-tests "passed .*100% tests passed"
row memcheck-plain_tests "passed .*ERROR SUMMARY: 0 errors"
row racecheck-plain_tests "failed \(9\)"
row synccheck-plain_tests passed
row memcheck-torch_tests "stopped after 6 s"
row micro passed
row benchmarks-train "passed .*report: gpu-train-profile.md"
row benchmarks-rest passed
grep racecheck-torch all.log && fail "LibTorch's kernels were checked for races"
[[ $(<out/kernels.jsonl) == '{"kernel": "gelu"}' ]] || fail "kernels.jsonl is not the kernels' lines"
[[ $(find out -type f | wc -l) -le 8 ]] || fail "more than 8 files: $(ls out)"
tar --list --gzip --file out/logs.tar.gz | grep racecheck-plain_tests.log >/dev/null || fail "a log is missing"
grep -qE -- '--seconds [1-9][0-9]* --only train profile' asked || fail "the benchmark has no limit: $(<asked)"

# A call of its own adds to the table, and replaces its row.
rm -rf out && touch skips
scripts/gpu_check.sh tests >/dev/null 2>&1 || fail "skipped tests are no failure"
table=$(<out/gpu_check.md)
row cuda-tests "passed, some skipped"
row racecheck-plain_tests "failed \(9\)"
[[ $(grep -c cuda-tests <<<"$table") == 1 ]] || fail "two rows of one step"
[[ -f out/gpu-train-profile.md ]] || fail "the reports of an earlier call are gone"

# No time: said, not silent.
ATTUNE_GPU_SECONDS=3 scripts/gpu_check.sh tests >/dev/null 2>&1 && fail "a step that was not begun is a failure"
grep -q "not begun, no time" out/gpu_check.md || fail "it is not said that there was no time"

# Nothing is checked of a build that failed.
touch build-fails && rm asked
scripts/gpu_check.sh build benchmarks >failed.log 2>&1 && fail "a failed build is a failure"
grep -q "a compiler's complaint" failed.log || fail "the build's end is not shown"
grep -q gpu.py asked && fail "an old build was measured"

# Damage, and words it does not know.
echo nonsense >build/gpu-carry/model.tar.gz
scripts/gpu_check.sh tests >damaged.log 2>&1 && fail "a damaged archive went unnoticed"
grep -q "model.tar.gz is damaged" damaged.log || fail "damage is not told: $(<damaged.log)"
scripts/gpu_check.sh nonsense >usage.log 2>&1
[[ $? == 2 ]] || fail "an unknown phase is no usage error"
grep -q "scripts/gpu_check.sh pack" usage.log || fail "no usage"
echo "install_packages libsurely-not-there-dev" >scripts/setup
scripts/gpu_check.sh pack >pack.log 2>&1 && fail "packed without the packages"
grep -q "not installed here: libsurely-not-there-dev" pack.log || fail "the missing package is not named"
echo "gpu_check.sh: as it should"
