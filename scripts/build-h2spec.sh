#!/bin/sh
# Builds h2spec, a conformance test of HTTP/2, from its public Go module, and prints its path. The result stays in
# .cache/h2spec/<version>; remove that folder to build it again.
set -eu

version=v2.2.1+incompatible

cd "$(dirname "$0")/.."
home="$PWD/.cache/h2spec/$version"
binary="$home/h2spec"

if [ ! -x "$binary" ]; then
  command -v go >/dev/null || { echo "build-h2spec: needs Go on PATH" >&2; exit 1; }
  mkdir -p "$home"
  GOBIN="$home" CGO_ENABLED=0 go install "github.com/summerwind/h2spec/cmd/h2spec@$version" >&2
fi
echo "$binary"
