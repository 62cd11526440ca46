import { type ErrorCode, errorCode, errorMessage, QuantdError } from '../errors.js'

/** The codes that callers on the wire see, with status and whether a retry may help (mqtt-contract.md 4d). */
export const wireCodes = {
  INVALID_ARGUMENT: { status: 400, retryable: false },
  FORBIDDEN: { status: 403, retryable: false },
  MODEL_NOT_FOUND: { status: 404, retryable: false },
  VERSION_NOT_FOUND: { status: 404, retryable: false },
  CONFLICT: { status: 409, retryable: true },
  PAYLOAD_TOO_LARGE: { status: 413, retryable: false },
  UNSUPPORTED_MEDIA: { status: 415, retryable: false },
  SHAPE_MISMATCH: { status: 422, retryable: false },
  OVERLOADED: { status: 429, retryable: true },
  CANCELLED: { status: 499, retryable: false },
  INTERNAL: { status: 500, retryable: false },
  DEVICE_LOST: { status: 503, retryable: true },
  NOT_READY: { status: 503, retryable: true },
  DEADLINE_EXCEEDED: { status: 504, retryable: false },
  UNSUPPORTED_VERSION: { status: 505, retryable: false },
  INSUFFICIENT_STORAGE: { status: 507, retryable: true },
} as const
export type WireCode = keyof typeof wireCodes

/** The body of every refusal; `error` is the field of the Open Inference Protocol. */
export interface WireError {
  readonly error: string
  readonly code: WireCode
  readonly status: number
  readonly retryable: boolean
  readonly retry_after_ms?: number
  readonly id?: string
  readonly details: Readonly<Record<string, unknown>>
}

/**
 * A refusal that already knows its wire code: thrown by commands and serving. Carries our own code too, which leaves in `details.cause`.
 */
export class Refusal extends QuantdError {
  readonly wire: WireCode
  readonly retryAfterMs: number | undefined

  constructor(
    wire: WireCode,
    code: ErrorCode,
    message: string,
    { details = {}, retryAfterMs, cause }: { details?: Record<string, unknown>; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(code, message, { details, cause })
    this.wire = wire
    this.retryAfterMs = retryAfterMs
  }
}

/** Prefix of our codes -> wire code, first match wins; what no row names is INTERNAL. */
const mapping: readonly (readonly [RegExp, WireCode])[] = [
  [/^ERR_REQUEST_(SHAPE|DTYPE|INPUTS)$/, 'SHAPE_MISMATCH'],
  [/^ERR_REQUEST_(MEDIA|IMAGE)$/, 'UNSUPPORTED_MEDIA'],
  [/^ERR_REQUEST_/, 'INVALID_ARGUMENT'],
  [/^ERR_(BUNDLE|ONNX|GRAPH|SAMPLES|CONFIG)_/, 'INVALID_ARGUMENT'],
  [/^ERR_QUANT_METRIC/, 'INVALID_ARGUMENT'],
  [/^ERR_WORKER_(GONE|CLOSED)$/, 'DEVICE_LOST'],
  [/^ERR_WORKER_KEY$/, 'NOT_READY'],
  [/^ERR_STORE_FULL$/, 'INSUFFICIENT_STORAGE'],
  [/^ERR_ABORTED$/, 'CANCELLED'],
  [/^ERR_TIMEOUT$/, 'DEADLINE_EXCEEDED'],
]

/** What a caller is told of `error`. Never a stack, never a path outside the message. */
export function toWireError(error: unknown, id?: string): WireError {
  const cause = errorCode(error)
  const wire = error instanceof Refusal ? error.wire : (mapping.find(([pattern]) => pattern.test(cause))?.[1] ?? 'INTERNAL')
  const details = error instanceof QuantdError ? { ...error.details, cause } : { cause }
  const retryAfterMs = error instanceof Refusal ? error.retryAfterMs : undefined
  return {
    error: errorMessage(error),
    code: wire,
    ...wireCodes[wire],
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
    ...(id === undefined ? {} : { id }),
    details,
  }
}
