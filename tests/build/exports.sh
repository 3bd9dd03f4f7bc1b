#!/usr/bin/env bash
# exports.sh NM FILE...: nothing of the libraries that are linked into attune is visible outside, where it could
# replace, or be replaced by, another copy in the same process (hazard 2: FLAGS_minloglevel of sentencepiece and c10).
set -euo pipefail
nm=$1
shift
foreign='FLAGS_|(^|[ :(])(google|sentencepiece|absl|Darts|fmt|spdlog|YAML|nlohmann|testing|CLI)::|(^| )(gumbo_|utf8proc_|nettle_|_nettle_)'
public='add_callback resolve_embed_model get_finetuned_model VectorStoreIndex::load AliasedModel::request Settings::embed_model open_sqlite_cache make_memory_cache make_rate_limiter'  # what include/attune promises
status=0
for file in "$@"; do
  exported=$("$nm" --dynamic --defined-only --demangle "$file")
  found=$(cut -d' ' -f3- <<<"$exported" | grep -E "$foreign" | head -n 10 || true)
  # Else the search above proves nothing: the library must be inside.
  if [[ $file == *.so ]] && ! "$nm" "$file" | grep ' [a-z] FLAGS_minloglevel$' >/dev/null; then
    printf '%s has no hidden FLAGS_minloglevel: is sentencepiece linked into it?\n' "$file"
    status=1
  fi
  for name in $public; do
    if [[ $file == *.so ]] && ! grep -F " attune::$name(" <<<"$exported" >/dev/null; then
      printf '%s does not export attune::%s\n' "$file" "$name"
      status=1
    fi
  done
  if [[ -n $found ]]; then
    printf '%s exports:\n%s\n' "$file" "$found"
    status=1
  fi
  if readelf --dynamic "$file" | grep -E 'lib(curl|pq)'; then
    printf '%s links a library that is opened when it is needed (hazard 7)\n' "$file"
    status=1
  fi
done
exit $status
