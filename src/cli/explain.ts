import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { errorMessage, QuantdError } from '../errors.js'
import { explainLayer } from '../quantization/report/explain-layer.js'
import { formatReport } from '../quantization/report/format-report.js'
import { Report } from '../quantization/report/report.js'
import type { CliContext } from './context.js'

/** `quantd explain REPORT [LAYER]`: what a report knows of one layer, or its page of text; `quantd quantize --explain LAYER` for one made before. */
export function explainCommand(context: CliContext): Command {
  return new Command('explain')
    .description('tell everything that a report knows of one layer; without a layer, the report as text')
    .argument('<report>', 'report.json, or the folder that holds it (--out of quantize)')
    .argument('[layer]', 'name of a node, or of a value that it writes')
    .action((path: string, layer: string | undefined) => {
      const report = readReport(path)
      context.out(layer === undefined ? formatReport(report) : explainLayer(report, layer))
    })
}

/** @throws ERR_CLI_REPORT */
function readReport(path: string): Report {
  const file = existsSync(path) && statSync(path).isDirectory() ? join(path, 'report.json') : path
  try {
    return Report.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    throw new QuantdError('ERR_CLI_REPORT', `'${file}' is no report of quantd quantize: ${errorMessage(cause).slice(0, 200)}`, {
      details: { file },
      cause,
    })
  }
}
