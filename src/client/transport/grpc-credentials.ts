/** The credentials of grpc-js, as far as the client knows them without it. */

/**
 * `ChannelCredentials` of any release of `@grpc/grpc-js`: what `credentials.createSsl()` gives. Described by what all
 * releases share, so that the types need no copy of that package.
 */
export interface GrpcCredentials {
  compose(callCredentials: never): unknown;
  _isSecure(): boolean;
}

export function isGrpcCredentials(value: unknown): value is GrpcCredentials {
  return typeof value === "object" && value !== null && "compose" in value && "_isSecure" in value;
}
