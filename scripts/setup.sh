#!/usr/bin/env bash
# Installs what the project needs to build on Debian 12: system packages, a complete Rust, and the
# Wasm target. Safe to run again: it does nothing when everything is there.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

packages=(clang libclang-dev cmake protobuf-compiler pkg-config libssl-dev zlib1g-dev lld-22 mold ccache mosquitto rabbitmq-server postgresql redis-server python3-pip sslscan softhsm2)
rust_packages=(rustc-web cargo-web rust-web-src rust-web-llvm rust-web-clippy)

# rustup's Rust is complete when it can add the target and the sources; Debian's otherwise.
rustup_is_complete() {
	command -v rustup >/dev/null 2>&1 &&
		timeout 60 rustup target add wasm32v1-none >/dev/null 2>&1 &&
		timeout 60 rustup component add rust-src >/dev/null 2>&1
}

if [ ! -d /usr/lib/rustlib/src/rust/library ] && ! rustup_is_complete; then
	packages+=("${rust_packages[@]}")
fi

missing=()
for package in "${packages[@]}"; do
	dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
		missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
	say "installing ${missing[*]}"
	as_root apt-get update -qq
	as_root apt-get install -y -qq "${missing[@]}" >/dev/null
	# The tests start brokers and databases of their own; those that come with the packages are not wanted.
	for service in mosquitto rabbitmq-server postgresql redis-server; do
		if [[ " ${missing[*]} " == *" $service "* ]] && command -v systemctl >/dev/null 2>&1; then
			as_root systemctl disable --quiet --now "$service" 2>/dev/null || true
		fi
	done
fi

# Tests read what the oracle archives with another reader, have a server that speaks S3, and try the
# oracle's interface from its description.
python_packages=('pyarrow==26.0.1' 'moto[server]==5.2.1' 'schemathesis==4.32.5')
if ! python3 -c '
import importlib.metadata, sys
import flask, pyarrow, schemathesis
sys.exit([importlib.metadata.version(name) for name in ("pyarrow", "moto", "schemathesis")] != ["26.0.1", "5.2.1", "4.32.5"])
' >/dev/null 2>&1; then
	say "installing ${python_packages[*]}"
	as_root python3 -m pip install --quiet --break-system-packages --root-user-action=ignore \
		"${python_packages[@]}"
fi

# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"

# Debian's Rust has the library sources but not the Wasm target: build it from them, once for
# each compiler.
library="$(rustc --print sysroot)/lib/rustlib/wasm32v1-none/lib"
stamp="$library/.built-by"
version="$(rustc --version)"
if ! ls "$library"/libcore-*.rlib >/dev/null 2>&1 ||
	{ [ -f "$stamp" ] && [ "$(cat "$stamp")" != "$version" ]; }; then
	say "building the Wasm target for $version (about a minute)"
	seed="$(mktemp -d)"
	trap 'rm -rf "$seed"' EXIT
	mkdir "$seed/src"
	printf '[package]\nname = "seed"\nversion = "0.0.0"\nedition = "2021"\n' >"$seed/Cargo.toml"
	printf '#![no_std]\n' >"$seed/src/lib.rs"
	(
		cd "$seed"
		# The bitcode is what the runtime's link-time optimisation needs.
		CARGO_TARGET_DIR="$seed/target" RUSTFLAGS=-Cembed-bitcode=yes RUSTC_BOOTSTRAP=1 \
			cargo build --quiet --release --target wasm32v1-none -Zbuild-std=core,alloc
	)
	as_root rm -rf "$library"
	as_root mkdir -p "$library"
	for part in core alloc compiler_builtins; do
		as_root cp "$seed"/target/wasm32v1-none/release/deps/lib"$part"-*.rlib "$library/"
	done
	printf '%s' "$version" | as_root tee "$stamp" >/dev/null
	rm -rf "${CARGO_TARGET_DIR:?}"/*/wbuild
fi
say "ready: $version"
