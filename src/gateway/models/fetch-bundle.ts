import { errorMessage, QuantdError } from '../../errors.js'
import type { ReceiveOptions, Uploads } from '../store/uploads.js'
import { Refusal } from '../wire-errors.js'

export interface BundleSource {
  /** https address; absent: the bundle was uploaded through the control socket. */
  readonly url?: string
  /** Of the .tar as it is sent. */
  readonly sha256: string
}

export interface FetchOptions extends ReceiveOptions {
  /** Address prefixes that bundles may come from (load.allow). */
  readonly allow: readonly string[]
  readonly limitMs: number
  /** Handed in for tests. */
  readonly fetch?: typeof fetch
}

/**
 * The file of a bundle that `load` names: what was uploaded, or what lies at an allowed https address and has the hash that the caller promised.
 * Redirects are refused: they could leave the allowed addresses.
 * @throws Refusal FORBIDDEN, INVALID_ARGUMENT; ERR_BUNDLE_FETCH, ERR_STORE_FULL, ERR_STORE_UPLOAD
 */
export async function fetchBundle({ url, sha256 }: BundleSource, uploads: Uploads, options: FetchOptions): Promise<string> {
  const known = uploads.path(sha256)
  if (known !== undefined) return known
  if (url === undefined) {
    throw new Refusal('INVALID_ARGUMENT', 'ERR_BUNDLE_UNKNOWN', `no bundle ${sha256} was uploaded`, { details: { sha256 } })
  }
  const address = new URL(url)
  if (address.protocol !== 'https:' || !options.allow.some(prefix => within(address, new URL(prefix)))) {
    throw new Refusal('FORBIDDEN', 'ERR_BUNDLE_ADDRESS', `${address.origin}${address.pathname}: not below an address of load.allow`, {
      details: { allow: options.allow },
    })
  }
  const { fetch: get = fetch, limitMs } = options
  try {
    const response = await get(address, { redirect: 'error', signal: AbortSignal.timeout(limitMs) })
    if (!response.ok || response.body === null) throw new QuantdError('ERR_BUNDLE_FETCH', `${address.href}: HTTP ${response.status}`)
    const upload = await uploads.receive(response.body, options)
    if (upload.sha256 === sha256) return upload.path
    await uploads.discard(upload.sha256)
    throw new QuantdError('ERR_BUNDLE_FETCH', `${address.href}: sha256 ${upload.sha256}, promised ${sha256}`, {
      details: { expected: sha256, actual: upload.sha256 },
    })
  } catch (error) {
    if (error instanceof QuantdError) throw error
    throw new QuantdError('ERR_BUNDLE_FETCH', `${address.href}: ${errorMessage(error)}`, { cause: error })
  }
}

/** Same origin, and a path below the prefix's: `URL` has resolved `..` already, and a prefix without a final slash ends at a slash. */
function within(address: URL, prefix: URL): boolean {
  const folder = prefix.pathname.endsWith('/') ? prefix.pathname : `${prefix.pathname}/`
  return address.origin === prefix.origin && `${address.pathname}/`.startsWith(folder)
}
