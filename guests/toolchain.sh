#!/usr/bin/env bash
# Makes `cargo build` in guests/ able to target wasm32-unknown-unknown.
#   1. the active toolchain already has that std    -> nothing to do
#   2. a private sysroot was built here before      -> used again
#   3. rustup can add the target (most machines)    -> rustup target add
#   4. Debian with rustc-web and rust-web-src       -> the std is built once into a private sysroot
# Idempotent: a second run takes about a second. GUEST_TOOLCHAIN=auto|rustup|debian picks a route.
set -euo pipefail

target=wasm32-unknown-unknown
guests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
local_config="$guests/.cargo/toolchain.local.toml"      # git-ignored; included by guests/.cargo/config.toml
cache="${XDG_CACHE_HOME:-$HOME/.cache}/tenon/guest-toolchain"
route="${GUEST_TOOLCHAIN:-auto}"
packages=(rustc-web cargo-web rust-web-src rust-web-llvm)

say() { printf 'set-up: guest toolchain  %s\n' "$*"; }
die() { say "error: $*" >&2; exit 1; }

has_std() { # rustc...: does this rustc have a std for the target?
  local dir; dir=$("$@" --print target-libdir --target "$target" 2>/dev/null) || return 1
  compgen -G "$dir/libcore-*.rlib" >/dev/null && compgen -G "$dir/libstd-*.rlib" >/dev/null
}

# From inside guests/, because rustup picks the toolchain by directory.
active_has_std() { (cd "$guests" && command -v rustc >/dev/null && has_std rustc); }

use_active() { rm -f "$local_config"; }

# A fake or broken network must not hang the set-up: three minutes are plenty for 20 MB.
try_rustup() {
  command -v rustup >/dev/null || { say 'rustup is not installed'; return 1; }
  local log; log=$(mktemp)
  if (cd "$guests" && timeout 180 rustup target add "$target") >"$log" 2>&1 </dev/null && active_has_std; then
    rm -f "$log"; return 0
  fi
  say "rustup could not add $target: $(tail -n 1 "$log")"
  rm -f "$log"; return 1
}

missing_packages() { # package...: prints those that are not installed
  local package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || printf '%s\n' "$package"
  done
}

# --no-remove: rustc-web conflicts with Debian's rustc and rustup packages, and those are not ours to remove.
apt_install() { # what for, package...
  local reason=$1 missing; shift
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  local by_hand="apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  command -v apt-get >/dev/null || die "there is no apt-get here; type: rustup target add $target"
  local sudo=()
  if ((EUID != 0)); then
    sudo -n true 2>/dev/null || die "not root; type: sudo sh -c '$by_hand'"
    sudo=(sudo -n)
  fi
  say "installing ${missing[*]} with apt, once: $reason"
  local log; log=$(mktemp)
  if ! { "${sudo[@]}" apt-get -qq update \
      && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install -y --no-install-recommends --no-remove "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2; rm -f "$log"
    die "apt could not install them. Type: $by_hand, or: rustup target add $target"
  fi
  rm -f "$log"
}

# rust-web-llvm's /usr/bin/rust-lld is a link to lld-NN, on which the package does not depend.
install_linker() {
  [[ -x /usr/bin/rust-lld ]] && return
  local lld; lld=$(readlink /usr/bin/rust-lld || true)
  apt_install 'the linker' "$(basename "${lld:-lld}")"
  [[ -x /usr/bin/rust-lld ]] || die '/usr/bin/rust-lld does not run (is lld missing?)'
}

# Named after what it was built with: a security update of rustc builds a new one by itself.
# Raise the recipe's number when build_std changes.
sysroot_path() {
  printf '%s/%s' "$cache" "$( (/usr/bin/rustc -vV; echo "$target recipe-1") | sha256sum | cut -c1-16)"
}

have_sysroot() { [[ -x /usr/bin/rustc && -x /usr/bin/rust-lld && -e $(sysroot_path)/.complete ]]; }

build_std() { # sysroot, sources of the std
  local sysroot=$1 src=$2 host scratch lib
  host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
  scratch=$(mktemp -d "$cache/build.XXXXXX")
  # shellcheck disable=SC2064  # Expanded now: the variable is gone when the trap runs.
  trap "rm -rf '$scratch'" EXIT
  mkdir -p "$scratch/empty/src"; : >"$scratch/empty/src/lib.rs"
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$scratch/empty/Cargo.toml"
  # embed-bitcode, because guests are built with lto and need it. Sources of the std's own
  # dependencies come with the package: nothing is downloaded.
  ( cd "$scratch/empty" && env -u RUSTUP_TOOLCHAIN -u RUSTC_WRAPPER -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET \
      CARGO_HOME="$scratch/home" CARGO_TARGET_DIR="$scratch/target" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
      RUSTFLAGS="-Cembed-bitcode=yes -Ccodegen-units=1 --remap-path-prefix=$src=/rust/library" \
      /usr/bin/cargo build --release --offline --target "$target" -Zbuild-std=std,panic_abort \
        --config 'source.crates-io.replace-with="vendored"' \
        --config "source.vendored.directory=\"$src/vendor\"" ) >"$scratch/log" 2>&1 </dev/null \
    || { tail -n 30 "$scratch/log" >&2; die "building the std of $target failed"; }
  lib="$sysroot.new/lib/rustlib/$target/lib"
  rm -rf "$sysroot.new"; mkdir -p "$lib" "$sysroot.new/bin"
  cp "$scratch/target/$target/release/deps/"lib*.rlib "$lib/"; rm -f "$lib"/libempty-*.rlib
  ln -s "$(/usr/bin/rustc --print sysroot)/lib/rustlib/$host" "$sysroot.new/lib/rustlib/$host"
  printf '#!/bin/sh\nexec /usr/bin/rustc --sysroot "%s" "$@"\n' "$sysroot" >"$sysroot.new/bin/rustc"
  chmod +x "$sysroot.new/bin/rustc"
  : >"$sysroot.new/.complete"
  # Renamed when whole: an interrupted build leaves nothing that looks finished.
  rm -rf "$sysroot"; mv "$sysroot.new" "$sysroot"
}

# Left alone when nothing changed, so that its date says when the toolchain did.
use_sysroot() { # sysroot
  local new="$local_config.new"
  printf '# Written by guests/toolchain.sh.\n[build]\nrustc = "%s/bin/rustc"\n' "$1" >"$new"
  if cmp -s "$new" "$local_config"; then rm -f "$new"; else mv "$new" "$local_config"; fi
}

debian_route() {
  [[ -r /etc/debian_version ]] || die "this is not Debian, and rustup could not add the target; type: rustup target add $target"
  apt_install 'a rustc and the sources of its std' "${packages[@]}"
  install_linker
  local sysroot src
  sysroot=$(sysroot_path)
  src=$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library
  [[ -d $src/std ]] || die "no sources of the std at $src (package rust-web-src)"
  mkdir -p "$cache"
  # Two set-ups at once: the second waits for the first one's result.
  exec 9>"$cache/lock"; flock 9
  if [[ ! -e $sysroot/.complete ]]; then
    say "building the std of $target with $(/usr/bin/rustc -V) (once, about a minute)"
    build_std "$sysroot" "$src"
  fi
  has_std "$sysroot/bin/rustc" || die "$sysroot has no std of $target; remove it and run again"
  use_sysroot "$sysroot"
  say "ready: $(/usr/bin/rustc -V) with a private sysroot"
}

case $route in
  auto)
    if active_has_std; then use_active; say "ready: the active toolchain has $target"
    elif have_sysroot; then debian_route
    elif try_rustup; then use_active; say "ready: rustup added $target"
    else debian_route; fi ;;
  rustup)
    active_has_std || try_rustup || die "the rustup route failed; type: rustup target add $target"
    use_active; say "ready: the active toolchain has $target" ;;
  debian) debian_route ;;
  *) die 'GUEST_TOOLCHAIN must be auto, rustup or debian' ;;
esac
