#!/bin/sh
# Builds a small OpenTelemetry Collector (OTLP in, debug and OTLP out) from its public Go modules, and prints its
# path. The telemetry tests use it. To use another collector, set OTELCOL_BIN. The build needs Go 1.25 or newer. With two
# cores and an empty module cache it takes several minutes. The result stays in .cache/otelcol/<version>; remove that
# folder to build it again.
set -eu

version=0.150.0   # of the builder and the components
stable=1.56.0     # of the configuration providers of the same release

cd "$(dirname "$0")/.."
home="$PWD/.cache/otelcol/$version"
binary="$home/otelcorecol"

if [ -x "$binary" ]; then
  echo "$binary"
  exit 0
fi
command -v go >/dev/null || { echo "build-otelcol: needs Go on PATH" >&2; exit 1; }

mkdir -p "$home"
cat >"$home/manifest.yaml" <<MANIFEST
dist:
  name: otelcorecol
  description: OTLP in, debug and OTLP out
  version: $version
  output_path: $home/source
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v$version
processors:
  - gomod: go.opentelemetry.io/collector/processor/batchprocessor v$version
exporters:
  - gomod: go.opentelemetry.io/collector/exporter/debugexporter v$version
  - gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter v$version
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v$stable
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v$stable
  - gomod: go.opentelemetry.io/collector/confmap/provider/yamlprovider v$stable
MANIFEST

# cmd/otelcorecol is not published as a Go module. The builder is the official way.
[ -x "$home/builder" ] || GOBIN="$home" go install "go.opentelemetry.io/collector/cmd/builder@v$version" >&2
CGO_ENABLED=0 "$home/builder" --config "$home/manifest.yaml" >&2
mv "$home/source/otelcorecol" "$binary"
rm -rf "$home/source"
echo "$binary"
