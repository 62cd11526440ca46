import { z } from 'zod'
import { type ErrorCode, QuantdError } from '../../errors.js'

const WireErrorBody = z.looseObject({
  error: z.string(),
  code: z.string(),
  status: z.number().optional(),
  retryable: z.boolean().optional(),
  details: z.looseObject({ cause: z.string().optional() }).optional(),
})

/** What the gateway refused with: `wire` is the code of the contract, `code` our own from `details.cause`. */
export class RemoteRefusal extends QuantdError {
  readonly wire: string
  readonly body: unknown

  constructor(body: unknown) {
    const parsed = WireErrorBody.safeParse(body)
    const { error, code, details } = parsed.success
      ? parsed.data
      : { error: `unexpected answer ${JSON.stringify(body)?.slice(0, 200)}`, code: 'INTERNAL', details: undefined }
    super((details?.cause?.startsWith('ERR_') ? details.cause : 'ERR_CLI_REFUSED') as ErrorCode, error, {
      details: { ...details, wire: code },
    })
    this.wire = code
    this.body = body
  }
}
