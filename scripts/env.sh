# Sourced by the other scripts: which compiler, which target folder.
# Debian's own Rust comes before rustup's where it is complete (see setup.sh).
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
if [ -d /usr/lib/rustlib/src/rust/library ] && [ -x /usr/bin/cargo ]; then
	export PATH="/usr/bin:$PATH"
fi
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
# One selection for every build: another one would resolve features differently and compile
# hundreds of crates a second time.
cargo_selection=(--release --locked --workspace --all-targets)
