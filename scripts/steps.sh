# Sourced by the scripts beside it: plain words, quiet commands, system packages.
# shellcheck shell=bash

steps_folder=$PWD/build/logs
mkdir -p "$steps_folder"

say() { printf '%s\n' "$*"; }

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# quietly NAME COMMAND...: output goes to build/logs/NAME.log; its end is shown if the command fails, and one line a
# minute (the log's newest) while it runs, so that a long step is seen to be alive.
quietly() {
  local name=$1 log=$steps_folder/$1.log status=0 watcher
  shift
  : >"$log"
  (
    minutes=0
    while sleep 60 >/dev/null 2>&1; do  # its own output, or a killed watcher keeps our pipe open
      minutes=$((minutes + 1))
      printf '    %d min: %s\n' "$minutes" "$(tail -n 1 "$log" | tr -d '\r' | cut -c1-100)"
    done
  ) &
  watcher=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$watcher" 2>/dev/null
  wait "$watcher" 2>/dev/null || true
  if ((status != 0)); then
    printf -- '--- end of %s\n' "$log" >&2
    tail -n 40 "$log" >&2
    fail "'$name' failed with status $status; all it said is in $log"
  fi
}

# as_root COMMAND...: directly as root, else through sudo.
as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

may_be_root() { [[ $(id -u) == 0 ]] || command -v sudo >/dev/null; }

package_is_installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

refresh_package_lists() {
  [[ -n ${package_lists_are_fresh:-} ]] && return
  say "Refreshing the package lists (apt-get update)."
  quietly apt-update as_root apt-get update
  package_lists_are_fresh=yes
}

# install_packages PURPOSE PACKAGE...: those that are missing, without asking.
install_packages() {
  local purpose=$1 package missing=()
  shift
  command -v dpkg-query >/dev/null || fail "this system has no dpkg. Install what Debian calls: $*; then give \
ATTUNE_SKIP_PACKAGES=1 to this script."
  for package in "$@"; do
    package_is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  may_be_root || fail "these packages are missing and this user is neither root nor has sudo: ${missing[*]}
Ask an administrator for: apt-get install ${missing[*]}"
  refresh_package_lists
  say "Installing ${#missing[@]} packages for $purpose: ${missing[*]}"
  quietly apt-install as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    "${missing[@]}"
}

# clock: seconds as "3 min 5 s".
clock() {
  local seconds=$1
  if ((seconds < 60)); then echo "$seconds s"; else echo "$((seconds / 60)) min $((seconds % 60)) s"; fi
}

# build_jobs: compilers at once, as processors and memory allow; a file with LibTorch's headers takes up to 2 GiB.
build_jobs() {
  local by_memory
  by_memory=$(awk '/MemAvailable/ {print int($2 / 2097152)}' /proc/meminfo)
  if ((by_memory < 1)); then echo 1; elif ((by_memory < $(nproc))); then echo "$by_memory"; else nproc; fi
}
