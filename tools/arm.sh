#!/usr/bin/env bash
# The tests on a 64-bit Arm CPU, emulated (qemu-user) on x86-64 Linux: Debian's arm64 Python and wheels for aarch64 run this checkout's NEON code.
#
#     tools/arm.sh FOLDER                      the tests that CI runs, listed in tests/arm.txt: three to four minutes on two cores
#     tools/arm.sh FOLDER tests/engine -x …    pytest with these arguments
#
# FOLDER receives what that takes (0.4 GB) and is used again by the next run. On the machine itself only qemu-user is installed, where it is missing.
# ARM_CPU says which CPU: neoverse-n1 (the default; Graviton 2) or cortex-a72 (Raspberry Pi 4).
# Values, memory faults and bits are the real CPU's; times are not, and the order of memory accesses is that of the machine underneath.
# qemu-user 7.2 (Debian 12) ends forked children that start threads, with an assertion of its own: tests of forks fail there.
# Exit status: pytest's; 77 where this cannot be set up, with the reason; 1 where it could be and must be (CI=true).
set -euo pipefail

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ $# -ge 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift

# What Linux says of the two CPUs, which is where LLVM learns which one it is: the one with atomic and half-precision instructions, the other without.
declare -A part=([neoverse-n1]=0xd0c [cortex-a72]=0xd08)
declare -A features=([neoverse-n1]="fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp" [cortex-a72]="fp asimd aes pmull sha1 sha2 crc32")

cannot() {
  echo "Arm: skipped: $1" >&2
  exit 77
}

failed() {
  tail -20 "$folder/log" >&2
  [ "${CI:-}" = true ] || cannot "$1 failed"
  echo "Arm: $1 failed" >&2
  exit 1
}

# on CPU ARGUMENTS…: the emulated Python
on() {
  ARM_CPU=$1 timeout "$limit" "$folder/bin/python" "${@:2}"
}
limit=0

set_up() {
  # Folders are cleared below: only one that this script has made.
  [ -z "$(ls -A "$folder")" ] || [ -e "$folder/.arm" ] || { echo "Arm: $folder holds something else; FOLDER must be new or empty" >&2; exit 2; }
  touch "$folder/.arm"
  rm -rf "$folder"/{complete,debian,cpu,site,cache,bytecode}
  mkdir -p "$folder"/{bin,home,debian,site,apt/lists/partial,apt/archives/partial}
  : > "$folder/apt/status"
  : > "$folder/log"
  if ! command -v qemu-aarch64 > /dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-user; } >> "$folder/log" 2>&1 || failed "apt-get install qemu-user"
  fi

  # The machine's own sources of packages, with everything that apt remembers kept apart: what is for the other CPU is unpacked, not installed.
  local apt=(apt-get -y -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User="$(id -un)"
    -o Dir::State="$folder/apt" -o Dir::State::lists="$folder/apt/lists" -o Dir::State::status="$folder/apt/status"
    -o Dir::Cache="$folder/apt" -o Dir::Cache::archives="$folder/apt/archives")
  "${apt[@]}" update >> "$folder/log" 2>&1 || true  # a source without this architecture does no harm; what is missing shows below
  "${apt[@]}" install --no-install-recommends --download-only python3 libstdc++6 >> "$folder/log" 2>&1 || failed "Debian's Python for arm64"
  local package
  for package in "$folder"/apt/archives/*.deb; do
    dpkg -x "$package" "$folder/debian" >> "$folder/log" 2>&1 || failed "unpacking $package"
  done
  rm -rf "$folder/apt"
  [ -e "$folder/debian/lib/ld-linux-aarch64.so.1" ] || ln -s usr/lib "$folder/debian/lib"

  local cpu
  for cpu in "${!part[@]}"; do
    mkdir -p "$folder/cpu/$cpu/proc"
    ln -s "$folder"/debian/* "$folder/cpu/$cpu/"
    printf 'processor\t: 0\nFeatures\t: %s\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: %s\nCPU revision\t: 1\n' \
      "${features[$cpu]}" "${part[$cpu]}" > "$folder/cpu/$cpu/proc/cpuinfo"
  done

  # `sys.executable` is this file, so tests that start another Python get the emulated one, too.
  local python
  python=$(basename "$(readlink -f "$folder/debian/usr/bin/python3")")
  cat > "$folder/bin/python" <<END
#!/bin/sh
unset PYTHONDONTWRITEBYTECODE
export ARM_CPU="\${ARM_CPU:-neoverse-n1}" HOME="$folder/home" XDG_CACHE_HOME="$folder/cache" OPENBLAS_NUM_THREADS=1
export PYTHONHOME="$folder/debian/usr" PYTHONPYCACHEPREFIX="$folder/bytecode"
exec qemu-aarch64 -cpu "\$ARM_CPU" -L "$folder/cpu/\$ARM_CPU" -0 "$folder/bin/python" "$folder/debian/usr/bin/$python" "\$@"
END
  chmod +x "$folder/bin/python"

  # The project's dependencies, without the tools that look at sources.
  on cortex-a72 - "$checkout/pyproject.toml" > "$folder/requirements" 2>> "$folder/log" <<'END' || failed "the emulated Python"
import sys, tomllib
with open(sys.argv[1], "rb") as f:
    project = tomllib.load(f)["project"]
print(*(r for r in project["dependencies"] + project["optional-dependencies"]["test"] if not r.startswith(("ruff", "mypy"))), sep="\n")
END
  local platforms
  mapfile -t platforms < <(printf -- '--platform=manylinux_2_%s_aarch64\n' {17..36}; echo --platform=manylinux2014_aarch64)
  python3 -m pip install -q --target "$folder/site" --no-compile --only-binary=:all: --implementation cp --python-version "${python#python}" \
    "${platforms[@]}" -r "$folder/requirements" >> "$folder/log" 2>&1 || failed "wheels for aarch64"
  fingerprint > "$folder/complete"
}

fingerprint() {
  cat "$checkout/tools/arm.sh" "$checkout/pyproject.toml" | sha256sum
}

# tests CPU ARGUMENTS…
tests() {
  PYTHONPATH="$folder/site:$checkout/src:$checkout" on "$1" -m pytest -q -p no:cacheprovider "${@:2}"
}

# The tests listed for a CPU.
listed() {
  sed -n "/^\[$1\]/,/^\[/p" tests/arm.txt | grep '^tests/'
}

if [ "$(cat "$folder/complete" 2> /dev/null)" != "$(fingerprint)" ]; then
  [ "$(uname -sm)" = "Linux x86_64" ] || cannot "this is for Linux on x86-64, not $(uname -sm)"
  { command -v apt-get && command -v dpkg; } > /dev/null || cannot "there is no apt-get, and Debian's packages are needed"
  command -v qemu-aarch64 > /dev/null || [ "$(id -u)" = 0 ] || cannot "qemu-user is not installed, and only root can install it"
  set_up
  echo "set up in $SECONDS s"
fi
cd "$checkout"
if [ $# -gt 0 ]; then
  tests "${ARM_CPU:-neoverse-n1}" "$@"
  exit
fi
mapfile -t first < <(listed cortex-a72)
mapfile -t second < <(listed neoverse-n1)
[ ${#first[@]} -gt 0 ] && [ ${#second[@]} -gt 0 ]
limit=1200  # what hangs is ended
tests neoverse-n1 --durations=3 "${second[@]}" > "$folder/second" 2>&1 &
status=0
tests cortex-a72 --durations=3 "${first[@]}" || status=$?
wait $! || status=$?
cat "$folder/second"
echo "on two emulated CPUs, in $SECONDS s"
exit $status
