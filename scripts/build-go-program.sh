#!/bin/sh
# Builds a program from its public Go module, and prints its path: build-go-program.sh PACKAGE VERSION. The result stays in
# .cache/<program>/<version>; remove that folder to build it again.
set -eu

package=$1
version=$2
program=${package##*/}

cd "$(dirname "$0")/.."
home="$PWD/.cache/$program/$version"

if [ ! -x "$home/$program" ]; then
  command -v go >/dev/null || { echo "build-go-program: $program needs Go on PATH" >&2; exit 1; }
  mkdir -p "$home"
  GOBIN="$home" CGO_ENABLED=0 go install "$package@$version" >&2
fi
echo "$home/$program"
