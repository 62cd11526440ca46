import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { engineNamed } from '../../engines/catalog.js'
import { QuantdError } from '../../errors.js'
import { externalDataBeside } from '../../graph/onnx/load.js'
import { readModel } from '../../graph/onnx/read.js'
import { writeModel } from '../../graph/onnx/write.js'
import { prepareModel } from '../../graph/passes/prepare.js'
import { probeCpu } from '../../hardware/cpu/probe.js'
import { loadDeviceSpecs, matchSpec } from '../../hardware/match.js'
import { evaluator } from '../../quantization/calibrate.js'
import { formatCosts, hashCosts, mergeCosts } from '../../quantization/costs/cost-table.js'
import { loadCosts } from '../../quantization/costs/load-costs.js'
import { measureCosts } from '../../quantization/costs/measure-costs.js'
import { coverageFloorOf } from '../../quantization/coverage.js'
import { measureShapes } from '../../quantization/statistics/measure-shapes.js'
import { takeBranches } from '../../quantization/statistics/take-branches.js'
import { readBundle } from '../../samples/bundle.js'
import { openSamples } from '../../samples/open-samples.js'
import { systemClock } from '../../time.js'
import type { CliContext } from '../context.js'
import { numberOption } from '../number-option.js'
import { zeros } from './device.js'

interface Options {
  readonly out: string
  readonly samples?: string
  readonly runs: number
  readonly threads: number
}

/** `quantd bench costs MODEL --out FILE`: what each operator takes in float and int8 on this host, as a table that `quantize --costs` follows. */
export function benchCostsCommand(context: CliContext): Command {
  return new Command('costs')
    .description('what each operator of a model takes here in float and int8, and what is the fastest for the whole; added to a file')
    .argument('<model>', 'an .onnx file, or a bundle (folder or .tar)')
    .requiredOption('--out <file>', 'table of costs; what is in it of other models stays')
    .option('--samples <path>', 'the first sample is run (default: zeros, free sizes as 1)')
    .option('--runs <count>', 'runs of each model', numberOption({ low: 10, high: 10_000, integer: true }), 200)
    .option('--threads <count>', 'threads of one inference', numberOption({ low: 1, high: 256, integer: true }), 1)
    .action((model: string, options: Options) => measure(model, options, context))
}

async function measure(path: string, { out, samples, runs, threads }: Options, context: CliContext): Promise<void> {
  const cpu = probeCpu()
  const spec = matchSpec(cpu, await loadDeviceSpecs())
  if (spec?.engine === undefined || spec.engine === null)
    throw new QuantdError('ERR_HARDWARE_PROCESSOR', 'this processor matches none of devices/')
  const engine = engineNamed(spec.engine)
  const bundle = await readBundle(path)
  try {
    const file = readModel(readFileSync(bundle.model.path), { externalData: externalDataBeside(bundle.model.path) })
    const prepared = await prepareModel(file, { evaluate: evaluator(engine) })
    const session = await engine.open(writeModel(file), { threads, optimization: 'basic' })
    await session.close()
    const source = samples === undefined ? undefined : await openSamples(samples, { inputs: session.inputs, manifest: bundle.manifest })
    const taken = source === undefined ? undefined : await takeBranches({ model: prepared, samples: source, sampleCount: 1, engine })
    const inputs = source === undefined ? zeros(session.inputs) : (await source.read(0)).inputs
    await source?.close()
    const model = taken?.model ?? prepared
    const [shapes] = await measureShapes({ model, feeds: [inputs], engine })
    const measured = await measureCosts({
      model,
      shapes: shapes!,
      inputs,
      ops: new Set(Object.keys(spec.ops)),
      activationCodes: spec.activationCodes,
      weightRange: spec.weightRange,
      engine,
      processor: cpu.name,
      threads,
      runs,
      clock: systemClock,
      floorOf: coverageFloorOf,
    })
    const table = existsSync(out) ? mergeCosts(loadCosts(out), measured) : measured
    writeFileSync(out, formatCosts(table))
    for (const { float_us, int8_us, mixed_us, fastest } of Object.values(measured.models)) {
      const mixed = mixed_us === undefined ? '' : `, mixed ${mixed_us.toFixed(0)} us`
      context.out(`${bundle.name}: float ${float_us.toFixed(0)} us, int8 ${int8_us.toFixed(0)} us${mixed}; fastest: ${fastest}\n`)
    }
    context.out(`${out}: ${Object.keys(table.units).length} operators, sha256 ${hashCosts(table).slice(0, 16)}\n`)
  } finally {
    await bundle.close()
  }
}
