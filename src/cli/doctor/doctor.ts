import { Command } from 'commander'
import { Hardware } from '../../hardware/hardware.js'
import { formatTable } from '../../quantization/report/text-table.js'
import { configOf, findControlSocket, type GatewayOptions } from '../client/open-gateway.js'
import type { CliContext } from '../context.js'
import { print, withGatewayOptions } from '../gateway-command.js'
import { checkBroker } from './broker.js'
import { checkDevices, checkGpuNodes } from './devices.js'
import { checkDisk, checkFiles, checkFsync, checkStateDir } from './files.js'
import type { Finding } from './finding.js'
import { checkClock, checkDaemon, checkNode, clockSynchronized, daemonOutOfReach } from './host.js'

async function examine(options: GatewayOptions, context: CliContext): Promise<readonly Finding[]> {
  const config = await configOf(options, context)
  const account = {
    username: options.username ?? config.broker.username ?? (config.broker.password_file === undefined ? undefined : config.gateway),
    passwordFile: options.passwordFile ?? config.broker.password_file,
  }
  const hardware = await Hardware.discover(config, { signal: context.signal })
  try {
    await hardware.settled()
    return [
      checkNode(process.versions.node),
      checkClock(Date.now(), clockSynchronized()),
      await findControlSocket(config).then(checkDaemon, daemonOutOfReach),
      ...(await checkFiles(config)),
      await checkStateDir(config),
      await checkDisk(config),
      await checkFsync(config),
      ...checkDevices(hardware.devices(), hardware.notes()),
      ...(await checkGpuNodes()),
      ...(await checkBroker(config, account)),
    ]
  } finally {
    await hardware.close()
  }
}

/** Table of findings; what is not a pass has its fix on the next line. */
export function formatFindings(findings: readonly Finding[], width: number | undefined): string {
  const rows = findings.flatMap(({ check, status, found, fix }) => [
    { check, status: status as string, found },
    ...(fix === undefined ? [] : [{ check: '', status: '', found: `-> ${fix}` }]),
  ])
  return formatTable(
    rows,
    [
      { title: '', value: row => row.status },
      { title: 'check', value: row => row.check },
      { title: 'found', value: row => row.found },
    ],
    { width },
  )
}

/** `quantd doctor`: what may go wrong on this host and with this broker, each with its fix. Ends with 1 when a check failed. */
export function doctorCommand(context: CliContext): Command {
  return withGatewayOptions(
    new Command('doctor').description('check host, files, devices and broker; what is wrong comes with its fix'),
  ).action(async (options: GatewayOptions) => {
    const findings = await examine(options, context)
    const failed = findings.filter(({ status }) => status === 'fail').length
    print(
      context,
      options,
      { ok: failed === 0, findings },
      `${formatFindings(findings, undefined)}\n${failed === 0 ? 'no check failed' : `${failed} failed`}\n`,
    )
    if (failed > 0) context.exitCode = 1
  })
}
