/**
 * The frame between the daemon and its workers, over one duplex pipe (a socketpair, fd 3 of the child). Little-endian:
 *
 * | offset | size | name |
 * |---|---|---|
 * | 0 | 4 | total size of the frame after this field |
 * | 4 | 4 | id: the request that this frame belongs to; 0 = no answer wanted |
 * | 8 | 1 | kind: 0 request, 1 response, 2 error, 3 event |
 * | 9 | 3 | zero |
 * | 12 | 4 | size of `meta` |
 * | 16 | - | meta: JSON, then body: raw bytes, never JSON |
 */
export const frameHeaderBytes = 16

export const frameKinds = ['request', 'response', 'error', 'event'] as const
export type FrameKind = (typeof frameKinds)[number]

export interface Frame {
  readonly id: number
  readonly kind: FrameKind
  readonly meta: unknown
  /** A view over what was received; valid as long as it is held. */
  readonly body: Uint8Array
}
