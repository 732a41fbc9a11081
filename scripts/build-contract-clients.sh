#!/bin/sh
# Builds the clients of the contract, and of the service of test/responses, in Go and in Python, with the pinned dependencies of the
# examples, and prints the variables by which test/contract/other-languages.test.ts and test/responses/foreign-clients.test.ts find them. A language that is not here is left out. The results stay in
# .cache/contract-clients; remove that folder to build them again.
set -eu

cd "$(dirname "$0")/.."
home="$PWD/.cache/contract-clients"
buf="$PWD/node_modules/.bin/buf"
examples=examples/clients
protos="$home/protos"
rm -rf "$protos"
mkdir -p "$protos"
cp -R proto/. test/responses/protos/. "$protos"

if command -v go >/dev/null; then
  go="$home/go"
  mkdir -p "$go"
  cp "$examples/go/go.mod" "$examples/go/go.sum" test/contract/clients/main.go "$go/"
  [ -x "$home/bin/protoc-gen-go-grpc" ] || {
    GOBIN="$home/bin" go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12 >&2
    GOBIN="$home/bin" go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2 >&2
  }
  PATH="$home/bin:$PATH" "$buf" generate "$protos" --path "$protos/meshcache" --path "$protos/users" \
    --template "$examples/go/buf.gen.yaml" -o "$go" >&2
  (cd "$go" && go build -o "$home/go-client" .) >&2
  echo "export CONTRACT_CLIENT_GO='$home/go-client'"
fi

if python3 -m venv --help >/dev/null 2>&1; then
  python="$home/python"
  mkdir -p "$python"
  [ -x "$python/.venv/bin/python" ] || python3 -m venv "$python/.venv" >&2
  "$python/.venv/bin/pip" install -q --disable-pip-version-check -r "$examples/python/requirements.txt" >&2
  "$python/.venv/bin/python" -m grpc_tools.protoc -I "$protos" --python_out="$python" \
    meshcache/v1/cache.proto meshcache/v1/admin.proto meshcache/options/v1/caching.proto users/v1/users.proto >&2
  cp test/contract/clients/client.py "$python/"
  echo "export CONTRACT_CLIENT_PYTHON='$python/.venv/bin/python $python/client.py'"
fi
