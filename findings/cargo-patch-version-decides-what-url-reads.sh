#!/usr/bin/env bash
# url, idna_adapter: which addresses a program accepts depends on the patch level of a crate that it never calls.
#
# One would guess: with `url = "=2.5.8"` and no features chosen, every build of a program reads the same addresses, and
# a lock file that moves one indirect crate between versions that are compatible by their numbers changes no result.
# What happens: url leaves the letters of domain names to idna, and idna to idna_adapter, whose versions 1.0, 1.1 and
# 1.2 are three implementations: none, unicode-rs, ICU4X. Under 1.0.0 a host outside ASCII is an error ("invalid
# international domain name"), under the others it is converted. `cargo update -p idna_adapter --precise …` chooses, and
# neither Cargo.toml nor `cargo tree -e features` shows the choice: a build with --locked and one without may differ.
#
# Seen on 2026-11-30, Rust 1.95, url 2.5.8, idna 1.1.0:
#   idna_adapter 1.0.0: error, 1.1.0: xn--bcher-kva.example, 1.2.1: xn--bcher-kva.example
#   crates in the build: 1.0.0 9, 1.1.0 14, 1.2.1 34
#
#   findings/cargo-patch-version-decides-what-url-reads.sh
#
# Builds a program of four lines three times in a temporary folder, with crates from crates.io.
# Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "reads-an-address"
version = "0.0.0"
edition = "2021"

[dependencies]
url = "=2.5.8"
TOML
cat >src/main.rs <<'RUST'
fn main() {
    let read = url::Url::parse("https://b\u{fc}cher.example/");
    println!("{}", read.map_or("error".to_owned(), |url| url.host_str().unwrap_or_default().to_owned()));
}
RUST

cargo generate-lockfile --quiet
cargo update --quiet -p idna --precise 1.1.0
status=0
while read -r version expected; do
    cargo update --quiet -p idna_adapter --precise "$version"
    seen=$(cargo run --quiet --locked)
    crates=$(cargo tree --locked --prefix none --no-dedupe | sed 's/ (.*//' | sort -u | wc -l)
    printf 'idna_adapter %s: %s, %s crates\n' "$version" "$seen" "$crates"
    [ "$seen" = "$expected" ] || status=1
done <<'LIST'
1.0.0 error
1.1.0 xn--bcher-kva.example
1.2.1 xn--bcher-kva.example
LIST
exit "$status"
