import { createReadStream, existsSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { Command } from 'commander'
import { create } from 'tar'
import { QuantdError } from '../errors.js'
import type { GatewayClient, Json } from './client/gateway-client.js'
import type { GatewayOptions } from './client/open-gateway.js'
import type { CliContext } from './context.js'
import { print, withGateway, withGatewayOptions } from './gateway-command.js'
import { given } from './verb.js'

interface Options extends GatewayOptions {
  readonly sha256?: string
  readonly name?: string
}

/** A bundle as the stream of a .tar: the file itself, or a folder or bare model packed on the way, the same bytes for the same content. @throws ERR_CLI_BUNDLE */
function packBundle(path: string): NodeJS.ReadableStream {
  if (!existsSync(path)) throw new QuantdError('ERR_CLI_BUNDLE', `${path}: there is no such bundle`, { details: { path } })
  if (statSync(path).isDirectory()) return packed(path, '.')
  if (path.endsWith('.tar')) return createReadStream(path)
  if (path.endsWith('.onnx')) return packed(dirname(resolve(path)), basename(path))
  throw new QuantdError('ERR_CLI_BUNDLE', `${path}: a bundle is a folder, a .tar of one, or an .onnx file`, { details: { path } })
}

const packed = (cwd: string, entry: string): Readable =>
  Readable.from(create({ cwd, portable: true, noMtime: true }, [entry]), { objectMode: false })

/** Uploads the bundle and loads it; from afar only an address can be named. */
export async function load(gateway: GatewayClient, bundle: string, { sha256, name }: Pick<Options, 'sha256' | 'name'>): Promise<Json> {
  if (bundle.startsWith('https://')) {
    if (sha256 === undefined) throw new QuantdError('ERR_CLI_USAGE', 'a bundle at an address needs --sha256, the hash of its bytes')
    return gateway.command('load', given({ url: bundle, sha256, name }))
  }
  if (gateway.upload === undefined) {
    throw new QuantdError(
      'ERR_CLI_USAGE',
      `${gateway.where} cannot take files: load on the gateway itself, or from an https address with --sha256`,
    )
  }
  const uploaded = await gateway.upload(packBundle(bundle))
  try {
    return await gateway.command('load', given({ sha256: uploaded, name }))
  } finally {
    await gateway.discard?.(uploaded)
  }
}

/** `quantd load BUNDLE` */
export function loadCommand(context: CliContext): Command {
  const command = new Command('load')
    .description('bring a model into the gateway; its float form answers at once')
    .argument('<bundle>', 'folder with model.json and .onnx, a .tar of it, an .onnx file, or an https address')
    .option('--sha256 <hash>', 'hash of the bytes at an https address')
    .option('--name <name>', 'name of the model (default: that of model.json, or of the file)')
  return withGatewayOptions(command).action(async (bundle: string, options: Options) => {
    const model = await withGateway(options, context, gateway => load(gateway, bundle, options))
    print(context, options, model, `${String(model.name)}: ${String(model.state)}, version ${String(model.active ?? '-')} answers\n`)
  })
}
