#!/usr/bin/env bash
# tasks.sh SOURCE BUILD: the script of each page in docs/tasks runs as it stands there, with a tiny model; the program
# of docs/examples/embed and that of docs/examples/serving are built and run; what docs/migration.md calls a setting is one.
set -euo pipefail
source_folder=$1
build_folder=$2
work=$build_folder/tasks_test
rm -rf "$work"
mkdir -p "$work"
export ATTUNE_HOME=$work/home  # jobs and aliases
export PATH=$build_folder:$PATH OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
export BASE=$source_folder/tests/fixtures/tiny_bert DOCUMENTS=$source_folder/docs/decisions PAUSE=2

for page in "$source_folder"/docs/tasks/*.md; do
  name=$(basename "$page" .md)
  mkdir "$work/$name"
  cd "$work/$name"
  awk '/^```bash$/ {inside = 1; next} /^```$/ {inside = 0} inside' "$page" >script.sh
  [[ -s script.sh ]] || { echo "$page has no script"; exit 1; }
  bash -euo pipefail script.sh >out.txt 2>&1 || { echo "the script of $page failed:"; tail -n 30 out.txt; exit 1; }
done
cd "$work"
[[ -f finetune/my-run/artifact/model.safetensors && -f finetune/my-faster-run/evaluation.json ]]
[[ -f adapter/exported/modules.json && -f adapter/adapter-sweep/sweep.json ]]
[[ -f hard-negatives/mined-run-2/artifact/model.safetensors ]]
[[ -f jobs/second-run/artifact/attune.json && $(cut -d ' ' -f 2 jobs/ended.txt | xargs) == "succeeded failed" ]]
[[ -f rollout/vectors.npy ]]
[[ $(grep -c '"step"' going-on/long-run/metrics.jsonl) -gt 2 && -f going-on/longer-run/artifact/attune.json ]]

cmake -G Ninja -S "$source_folder/docs/examples/embed" -B nearest -Dattune_DIR="$build_folder" >configure.log ||
  { cat configure.log; exit 1; }
cmake --build nearest >build.log || { cat build.log; exit 1; }
nearest/nearest "local:$BASE" "the ship" "a rope" "the ship" >nearest.txt
[[ $(head -n 1 nearest.txt) == *"the ship" ]] || { cat nearest.txt; exit 1; }
code=0
nearest/nearest "$work/nothing" a b 2>nearest.err || code=$?
[[ $code == 1 && $(<nearest.err) == *"$work/nothing"* ]] || { echo "code $code"; cat nearest.err; exit 1; }

cmake -G Ninja -S "$source_folder/docs/examples/serving" -B serving -Dattune_DIR="$build_folder" >configure.log ||
  { cat configure.log; exit 1; }
cmake --build serving >build.log || { cat build.log; exit 1; }
serving/serving "local:$BASE" mock:32 "$work/serving" >serving.txt || { cat serving.txt; exit 1; }
for line in "A rope is spliced." "asked for 2 texts, computed 1" "refused: $work" "similarity 1.000"; do
  [[ $(<serving.txt) == *"$line"* ]] || { echo "no '$line' in:"; cat serving.txt; exit 1; }
done

attune config doc >configuration.md
grep -oE '`(train|generate|data|model|adapter|evaluate)\.[a-z_.]+`' "$source_folder/docs/migration.md" | tr -d '`' | sort -u |
  while read -r key; do
    if [[ $(grep -cF "\`$key\`" configuration.md) == 0 ]]; then echo "docs/migration.md: $key is no setting"; exit 1; fi
  done
