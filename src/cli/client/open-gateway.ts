import { once } from 'node:events'
import { connect } from 'node:net'
import { controlSocketPaths } from '../../config/control-socket.js'
import { loadConfig } from '../../config/load.js'
import type { Config } from '../../config/schema.js'
import { errorMessage, QuantdError } from '../../errors.js'
import type { CliContext } from '../context.js'
import { ControlClient } from './control-client.js'
import type { GatewayClient } from './gateway-client.js'
import { MqttGatewayClient } from './mqtt-client.js'
import { openMqttSession } from './mqtt-session.js'

/** Options of every verb that speaks to a gateway (`withGatewayOptions`). */
export interface GatewayOptions {
  readonly config?: string
  readonly broker?: string
  readonly gateway?: string
  readonly state?: string
  readonly username?: string
  readonly passwordFile?: string
  readonly json?: boolean
}

/** The configuration that a verb works with: that of the daemon, with what the command line says over it. */
export function configOf({ config, broker, gateway, state }: GatewayOptions, { env }: Pick<CliContext, 'env'>): Promise<Config> {
  return loadConfig(config, { overrides: { broker, gateway, state }, env })
}

/** The control socket on which a daemon answers. @throws ERR_CLI_PERMISSION when there is one that we may not use */
export async function findControlSocket(config: Config): Promise<string | undefined> {
  for (const path of controlSocketPaths(config)) {
    const socket = connect(path)
    try {
      await once(socket, 'connect')
      return path
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EACCES') continue
      throw new QuantdError('ERR_CLI_PERMISSION', `${path}: permission denied`, { details: { path }, cause: error })
    } finally {
      socket.destroy()
    }
  }
  return undefined
}

/** The control socket when a daemon answers there and no broker was named; else the broker. @throws ERR_CLI_UNREACHABLE, ERR_CLI_PERMISSION, ERR_CLI_BROKER */
export async function openGateway(options: GatewayOptions, context: Pick<CliContext, 'env' | 'signal'>): Promise<GatewayClient> {
  const config = await configOf(options, context)
  const socket = options.broker === undefined ? await findControlSocket(config) : undefined
  if (socket !== undefined) return new ControlClient(socket, context.signal)
  const sockets = controlSocketPaths(config)
  try {
    const session = await openMqttSession({ broker: config.broker, account: options })
    return new MqttGatewayClient({ session, config, signal: context.signal, ...(options.broker === undefined ? { sockets } : {}) })
  } catch (error) {
    if (options.broker !== undefined) throw error
    const message = `no daemon answers on ${sockets.join(' or ')}, and ${errorMessage(error)}`
    throw new QuantdError('ERR_CLI_UNREACHABLE', message, { cause: error })
  }
}
