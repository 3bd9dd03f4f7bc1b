#!/usr/bin/env bash
# custom_adapter.sh SOURCE BUILD: docs/examples/custom_adapter is configured and built as a stranger would, against an
# installed attune alone, and trains; the installed attune names the registration that it lacks. The other examples are
# built against the build folder (tasks.sh).
set -euo pipefail
source_folder=$1
build_folder=$2
work=$build_folder/custom_adapter_test
rm -rf "$work"
mkdir -p "$work"
cp -r "$source_folder/docs/examples/custom_adapter" "$work/source"
# A program with a language model of its own, which the configuration then need not name.
cat >"$work/source/own_llm.cpp" <<'CPP'
#include <attune/program.h>
#include <attune/settings.h>
struct Own : attune::LanguageModel {
  std::string name() const override { return "own"; }
  std::string complete(const std::string& prompt) override {
    return "1. Which box holds what belongs to number " + prompt.substr(prompt.rfind("item of room ") + 13, 1) + "?";
  }
};
int main(int argc, char** argv) {
  attune::Settings::set_llm(std::make_shared<Own>());
  return attune::run_program(argc, argv);
}
CPP
cat >>"$work/source/CMakeLists.txt" <<'CMAKE'
add_executable(own_llm own_llm.cpp)
target_link_libraries(own_llm PRIVATE attune::program)
CMAKE
cmake --install "$build_folder" --prefix "$work/elsewhere" >"$work/install.log"
mv "$work/elsewhere" "$work/installed"  # no path of the prefix is written into it
cmake -G Ninja -S "$work/source" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/installed" >"$work/configure.log" ||
  { cat "$work/configure.log"; exit 1; }
cmake --build "$work/build" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
grep -q '^\.TH' "$work/installed/share/man/man1/attune.1"
bash -n "$work/installed/share/bash-completion/completions/attune"
mine=$work/build/my_attune plain=$work/installed/bin/attune
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
cd "$work"

fails() {  # fails CODE WORDS COMMAND...
  local code=0 expected=$1 words=$2
  shift 2
  "$@" >out.txt 2>err.txt || code=$?
  if [[ $code != "$expected" ]] || ! grep -qF -- "$words" err.txt; then
    printf '%s\nended with %s and said:\n' "$*" "$code"
    cat err.txt
    exit 1
  fi
}

python3 - <<'PYTHON'
import json
rows = range(12)
data = {
    "queries": {f"q{i}": f"where is item {i} kept?" for i in rows},
    "corpus": {f"d{i}": f"item {i} is kept in room {i * 7 % 10}." for i in rows},
    "relevant_docs": {f"q{i}": [f"d{i}"] for i in rows},
    "mode": "text",
}
for name in ("train", "validation", "test"):
    json.dump(data, open(f"{name}.json", "w"))
PYTHON
config=(source/adapter.yaml "model.base=$source_folder/tests/fixtures/tiny_bert" device=cpu output=run)

"$mine" --version | grep -q '^attune '
"$mine" run "${config[@]}" >table.txt 2>run.log || { cat run.log; exit 1; }
grep -q finetuned table.txt
"$mine" inspect run/artifact --json | grep -q '"type":"scaled_low_rank"'
echo "where is item 3 kept?" >texts.txt
"$mine" embed --model run/artifact --role query --input texts.txt --output a.npy 2>embed.log
"$mine" evaluate --model run/artifact --dataset test.json --json 2>evaluate.log | grep -q ndcg@10
"$mine" sweep "${config[@]}" 'adapter.settings=[rank=2],[rank=3]' --json 2>sweep.log | grep -q '"status":"succeeded"'
grep -q '"rank": 3' "$(grep -l '"rank": 3' run/*/artifact/config.json)"

# Questions by the program's own language model.
mkdir -p notes
for room in 1 2 3 4; do
  printf '# Room %s\n\nThe item of room %s is kept in a box beside the door of the hall.\n' $room $room >notes/$room.md
done
cat >questions.yaml <<YAML
{version: 1, name: own, device: cpu, output: questions, documents: {paths: [notes]}, chunks: {min_words: 3},
 generate: {method: llm, test_share: 0.25, validation_share: 0.25}, model: {base: "$source_folder/tests/fixtures/tiny_bert"}}
YAML
"$work/build/own_llm" run questions.yaml >made.txt 2>generate.log || { cat generate.log; exit 1; }
grep -q '"url": "application"\|url: application' questions/config.yaml
grep -q 'belongs to number 3' questions/datasets/questions.jsonl
fails 2 "of an application" "$plain" generate questions/config.yaml output=other

# What the factory refuses, and the plain program.
fails 2 "'rank' is more than the dimension" "$mine" train "${config[@]}" output=other 'adapter.settings=[rank=4000]'
fails 3 'register_adapter("scaled_low_rank"' "$plain" embed --model run/artifact --role query --input texts.txt --output b.npy
fails 2 'register_adapter("scaled_low_rank"' "$plain" train "${config[@]}" output=plain
fails 2 scaled_low_rank "$mine" export run/artifact --output exported

# An installation that lost its library.
rm "$work/installed/lib/libattune.so"
fails 4 "build or install attune again" "$plain" inspect run/artifact
