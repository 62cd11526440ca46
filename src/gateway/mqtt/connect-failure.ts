import { type ErrorCode, errorMessage, QuantdError } from '../../errors.js'

/** CONNACK: MQTT 3.1.1 return codes 4 and 5, MQTT 5 reason codes 134, 135 and 138. */
const badLogin = new Set([4, 5, 134, 135, 138])
/** The broker's certificate cannot be checked with what we trust (X509_V_ERR_* as Node names them). */
const untrusted =
  /^(SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_|CERT_(UNTRUSTED|REVOKED|SIGNATURE_FAILURE|REJECTED)|INVALID_CA)/
/** TLS alerts in which the broker refuses our own certificate or asks for one. */
const refusedClient =
  /ALERT_(CERTIFICATE_|NO_CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)|HANDSHAKE_FAILURE/
/** OpenSSL cannot use a file of ours. */
const badFile = /^ERR_OSSL_/

/**
 * Why an attempt to connect failed, as a code and a sentence with the fix.
 * @param error what MQTT.js, TLS or the socket reported; undefined = the broker closed without a word
 */
export function connectFailure(error: unknown, { url }: { readonly url: string }): QuantdError {
  return failure(error, url, reason)
}

/** Why a connection that stood has ended. */
export function connectionLost(error: unknown, { url }: { readonly url: string }): QuantdError {
  return failure(error, url, () => [
    'ERR_MQTT_UNREACHABLE',
    `${url} closed the connection${error === undefined ? '' : ` (${errorMessage(error)})`}`,
  ])
}

function failure(error: unknown, url: string, tell: (error: unknown, url: string) => readonly [ErrorCode, string]): QuantdError {
  if (error instanceof QuantdError) return error
  const [code, text] = tell(error, url)
  const foreign = codeOf(error)
  return new QuantdError(code, text, { details: { url, ...(foreign === undefined ? {} : { foreign }) }, cause: error })
}

function reason(error: unknown, url: string): readonly [ErrorCode, string] {
  const code = codeOf(error)
  const name = String(code ?? '')
  const said = errorMessage(error)
  if (typeof code === 'number' && badLogin.has(code))
    return ['ERR_MQTT_LOGIN', `${url} refuses this user name and password (reason ${code}: ${said})`]
  if (typeof code === 'number') return ['ERR_MQTT_CONNECT', `${url} refuses the connection (reason ${code}: ${said})`]
  if (/ALTNAME/.test(name)) return ['ERR_MQTT_TLS_HOST', `the certificate of ${url} is for another host: it carries ${namesOf(error)}`]
  if (name === 'CERT_HAS_EXPIRED' || name === 'CERT_NOT_YET_VALID')
    return ['ERR_MQTT_TLS_EXPIRED', `${said}: that of ${url}, by the clock of this host (${new Date().toISOString().slice(0, 10)})`]
  if (untrusted.test(name))
    return [
      'ERR_MQTT_TLS_UNTRUSTED',
      `the certificate of ${url} is signed by nobody known here (${said}): name its authority in broker.ca_file`,
    ]
  if (refusedClient.test(name))
    return [
      'ERR_MQTT_TLS_CLIENT',
      `${url} refuses our certificate (${alert(error)}): broker.cert_file and key_file must be signed by its authority`,
    ]
  if (badFile.test(name)) return ['ERR_MQTT_TLS', `ca_file, cert_file or key_file is no PEM, or the key is another one's: ${said}`]
  if (/^(ERR_SSL|EPROTO)/.test(name)) return ['ERR_MQTT_TLS', `no TLS with ${url} (${alert(error)}): does this port speak it?`]
  if (error === undefined || name === 'ECONNRESET') {
    const hint = url.startsWith('mqtts:')
      ? 'its log says why; does this port speak TLS?'
      : 'its log says why; a port for TLS wants mqtts://'
    return ['ERR_MQTT_UNREACHABLE', `${url} closed the connection (${error === undefined ? 'without a word' : said}): ${hint}`]
  }
  return ['ERR_MQTT_UNREACHABLE', `${url}: ${said || name || 'no connection'}`]
}

function codeOf(error: unknown): string | number | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' || typeof code === 'number' ? code : undefined
}

/** DNS names and addresses of the certificate that Node refused. */
function namesOf(error: unknown): string {
  const certificate = typeof error === 'object' && error !== null && 'cert' in error ? error.cert : undefined
  const names =
    typeof certificate === 'object' && certificate !== null && 'subjectaltname' in certificate ? certificate.subjectaltname : undefined
  return typeof names === 'string' ? names : 'no name at all'
}

/** OpenSSL's own words, without the place in its source. */
function alert(error: unknown): string {
  const words = typeof error === 'object' && error !== null && 'reason' in error ? error.reason : undefined
  return typeof words === 'string' ? words : errorMessage(error)
}
