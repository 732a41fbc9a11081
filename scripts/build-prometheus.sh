#!/bin/sh
# Builds Prometheus and promtool from their public Go module, without service discovery, and prints the folder that they are
# in. The check of the compose file uses them: their version is that of its image. To use another Prometheus, set
# PROMETHEUS_BIN. With two cores and an empty cache of Go the build takes several minutes. The result stays in
# .cache/prometheus/<version>; remove that folder to build it again.
set -eu

version=0.313.5   # of the module; of the program it is 3.13.5

cd "$(dirname "$0")/.."
home="$PWD/.cache/prometheus/$version"
module=github.com/prometheus/prometheus

if [ ! -x "$home/prometheus" ] || [ ! -x "$home/promtool" ]; then
  command -v go >/dev/null || { echo "build-prometheus: needs Go on PATH" >&2; exit 1; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$home"
  # The module replaces others, which `go install` does not take.
  cd "$work"
  go mod init build >&2
  go get -tool "$module/cmd/prometheus@v$version" "$module/cmd/promtool@v$version" >&2
  CGO_ENABLED=0 go build -tags remove_all_sd -o "$home" "$module/cmd/prometheus" "$module/cmd/promtool" >&2
fi
echo "$home"
