#!/bin/sh
# Builds connectconformance, the conformance tests of the Connect protocol, from its public Go module, and prints its path. The
# result stays in .cache/connectconformance/<version>; remove that folder to build it again.
set -eu

version=v1.0.7

cd "$(dirname "$0")/.."
home="$PWD/.cache/connectconformance/$version"
binary="$home/connectconformance"

if [ ! -x "$binary" ]; then
  command -v go >/dev/null || { echo "build-connectconformance: needs Go on PATH" >&2; exit 1; }
  mkdir -p "$home"
  GOBIN="$home" CGO_ENABLED=0 go install "connectrpc.com/conformance/cmd/connectconformance@$version" >&2
fi
echo "$binary"
