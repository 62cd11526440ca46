import { readFileSync } from 'node:fs'
import type { IClientOptions } from 'mqtt'
import type { Config } from '../../config/schema.js'
import { errorMessage, QuantdError } from '../../errors.js'

export type ProtocolVersion = 4 | 5

/** How to reach the broker and who we are there; its files as they are now. */
export interface Broker {
  readonly url: string
  readonly options: IClientOptions
  /** Versions to try, the preferred one first. */
  readonly versions: readonly ProtocolVersion[]
}

/** @throws ERR_MQTT_CREDENTIALS naming the file */
export function brokerOf({ broker, gateway }: Pick<Config, 'broker' | 'gateway'>): Broker {
  const password = broker.password_file === undefined ? undefined : (read(broker.password_file).toString().split(/\r?\n/)[0] ?? '')
  const username = broker.username ?? (password === undefined ? undefined : gateway)
  return Object.freeze({
    url: broker.url,
    options: Object.freeze({
      keepalive: broker.keepalive_s,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(broker.ca_file === undefined ? {} : { ca: read(broker.ca_file) }),
      ...(broker.cert_file === undefined ? {} : { cert: read(broker.cert_file) }),
      ...(broker.key_file === undefined ? {} : { key: read(broker.key_file) }),
    }),
    versions: broker.protocol === 'auto' ? ([5, 4] as const) : ([broker.protocol === '5' ? 5 : 4] as const),
  })
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new QuantdError('ERR_MQTT_CREDENTIALS', `'${path}' cannot be read: ${errorMessage(error)}`, { details: { path }, cause: error })
  }
}
