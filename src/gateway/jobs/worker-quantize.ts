import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { engineNamed } from '../../engines/catalog.js'
import { invariant } from '../../errors.js'
import { readModelFile } from '../../graph/ir/model-file.js'
import { packIr } from '../../graph/ir/packed-ir.js'
import type { OnProgress } from '../../quantization/contract.js'
import { parseCosts } from '../../quantization/costs/cost-table.js'
import { quantize } from '../../quantization/pipeline.js'
import { readBundle } from '../../samples/bundle.js'
import { fileCheckpoint } from './file-checkpoint.js'
import { judgingOf, openPlace, writeTimingRequest } from './worker-samples.js'
import { type QuantizeAnswer, type QuantizeTask, taskFiles } from './worker-task.js'

/** One quantization, from the bundle's float model to the files of a version. @throws what `quantize`, the samples and the bundle throw */
export async function runQuantize(task: QuantizeTask, onProgress: OnProgress): Promise<QuantizeAnswer> {
  const { settings, spec, folder, serving } = task
  const bundle = await readBundle(task.bundle, { name: task.model })
  const { model, bytes: sizeBytes } = readModelFile(bundle.model.path)
  const calibration = await openPlace(task, task.calibration)
  const heldOut = await openPlace(task, task.heldOut)
  const { bytes, ir, report } = await quantize({
    model,
    // What the registry knows the float version by.
    sha256: bundle.model.sha256,
    name: task.model,
    bytes: sizeBytes,
    samples: calibration,
    heldOut,
    judging: await judgingOf(bundle, task),
    spec,
    settings,
    engine: engineNamed(task.engine),
    ...(serving.name === task.engine ? {} : { target: { engine: engineNamed(serving.name), options: serving.options } }),
    ...(task.costs === undefined ? {} : { costs: parseCosts(readFileSync(task.costs, 'utf8'), task.costs) }),
    checkpoint: fileCheckpoint(join(folder, taskFiles.checkpoint)),
    onProgress,
  })
  invariant(report.judgement !== undefined, 'the pipeline judges what it quantizes')
  writeFileSync(join(folder, taskFiles.model), ir === undefined ? bytes : packIr(ir), { mode: 0o600 })
  writeFileSync(join(folder, taskFiles.report), JSON.stringify(report), { mode: 0o600 })
  return {
    judgement: report.judgement,
    coverage: report.coverage,
    calibration: report.samples.calibration,
    heldOut: report.samples.held_out,
    ...(report.accuracy_aware === undefined ? {} : { aware: report.accuracy_aware.sentence }),
    request: await writeTimingRequest(task, heldOut.count > 0 ? heldOut : calibration),
  }
}
