# The image of the server: the single executable file on a base with glibc, without a shell and without Node.
# Docker:  docker build -t meshcache .
# A registry of your own:  docker build --secret id=npmrc,src=$HOME/.npmrc -t meshcache .

FROM docker.io/library/node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --no-audit --no-fund --no-update-notifier
COPY tsconfig.json vite.config.ts ./
COPY scripts/build-binary.ts scripts/bundle.ts scripts/code-cache.ts scripts/
COPY gen gen
COPY src src
RUN npm run build:binary && mv dist/meshcache-linux-* /meshcache && mv dist/THIRD-PARTY-LICENSES.txt / && mkdir -m 700 /state

FROM gcr.io/distroless/cc-debian12
LABEL org.opencontainers.image.title="meshcache" \
      org.opencontainers.image.description="A gRPC cache for service meshes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /meshcache /usr/bin/meshcache
COPY --from=build /THIRD-PARTY-LICENSES.txt /usr/share/doc/meshcache/
# For the snapshot, on a volume: --snapshot /var/lib/meshcache/snapshot
COPY --from=build --chown=65532:65532 /state /var/lib/meshcache
USER 65532:65532
# 50051: the cache over gRPC. 9464: metrics and health over HTTP.
EXPOSE 50051 9464
ENV MESHCACHE_LISTEN=0.0.0.0:50051 MESHCACHE_ADMIN=0.0.0.0:9464
# So that glibc gives freed memory back: the same as src/cli/server-environment.ts.
ENV MALLOC_MMAP_THRESHOLD_=65536 MALLOC_MMAP_MAX_=16384 MALLOC_TRIM_THRESHOLD_=4194304
STOPSIGNAL SIGTERM
# The start period has room for a snapshot: failures do not count in it, and the first answer ends it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["/usr/bin/meshcache", "stats", "--json"]
ENTRYPOINT ["/usr/bin/meshcache"]
# It ends at once and says which options are missing: TLS and identities, or --plaintext and --anonymous.
CMD ["serve"]
