/** What the peer says of how much it takes. */

/** The length of a frame has three bytes. */
export const FRAME_LENGTH_MAX = 2 ** 24 - 1;

export interface PeerWindows {
  /** SETTINGS_INITIAL_WINDOW_SIZE of the peer. False: it, or a window that it changes, is out of its range. */
  setInitialWindow(bytes: number): boolean;
  /** SETTINGS_MAX_FRAME_SIZE of the peer. False: it is out of its range. */
  setFrameMax(bytes: number): boolean;
  /** WINDOW_UPDATE of the peer. Stream 0: the connection. False: a window is larger than it may be. */
  grow(streamId: number, bytes: number): boolean;
}
