import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { engineNamed } from '../../engines/catalog.js'
import { invariant } from '../../errors.js'
import { externalDataBeside } from '../../graph/onnx/load.js'
import { readModel } from '../../graph/onnx/read.js'
import { noBody } from '../../process/channel.js'
import { parentChannel } from '../../process/parent.js'
import type { Judging } from '../../quantization/accuracy/choose-metric.js'
import { quantize } from '../../quantization/pipeline.js'
import { type Bundle, readBundle } from '../../samples/bundle.js'
import { encodeRequest } from '../../samples/encode-request.js'
import { openNpz } from '../../samples/npz.js'
import { openRequests } from '../../samples/request-source.js'
import type { SampleSource } from '../../samples/sample.js'
import { holdOut } from '../../samples/split.js'
import { type QuantizeAnswer, type QuantizeEvent, type QuantizeTask, type SamplePlace, taskFiles } from './quantize-task.js'

/** Entry of the job worker: one quantization, from the bundle's float model to the files of a version. The daemon kills it to cancel. */
const channel = parentChannel(async ({ meta }) => ({ meta: await run(meta as QuantizeTask), body: noBody }))

async function run(task: QuantizeTask): Promise<QuantizeAnswer> {
  const { settings, spec, folder } = task
  const bundle = await readBundle(task.bundle, { name: task.model })
  const bytes = readFileSync(bundle.model.path)
  const calibration = await openPlace(task, task.calibration)
  const heldOut = await openPlace(task, task.heldOut)
  const { bytes: quantized, report } = await quantize({
    model: readModel(bytes, { externalData: externalDataBeside(bundle.model.path) }),
    sha256: createHash('sha256').update(bytes).digest('hex'),
    name: task.model,
    bytes: bytes.byteLength,
    samples: calibration,
    heldOut,
    judging: judgingOf(bundle),
    spec,
    settings,
    engine: engineNamed(task.engine),
    onProgress: (stage, progress) => channel.notify({ stage, progress } satisfies QuantizeEvent),
  })
  invariant(report.judgement !== undefined, 'the pipeline judges what it quantizes')
  writeFileSync(join(folder, taskFiles.model), quantized, { mode: 0o600 })
  writeFileSync(join(folder, taskFiles.report), JSON.stringify(report), { mode: 0o600 })
  return {
    judgement: report.judgement,
    coverage: report.coverage,
    calibration: report.samples.calibration,
    heldOut: heldOut.count,
    request: await writeRequest(task, heldOut.count > 0 ? heldOut : calibration),
  }
}

function judgingOf({ manifest: { task, metric, output }, alphabet }: Bundle): Judging {
  return {
    task,
    ...(metric === undefined ? {} : { metric }),
    ...(output === undefined ? {} : { output }),
    ...(alphabet === undefined ? {} : { alphabet }),
  }
}

async function openPlace({ inputs, manifest }: QuantizeTask, place: SamplePlace): Promise<SampleSource> {
  if (place.kind === 'captured') return openRequests(place.samples, { inputs, manifest })
  const source = await openNpz(place.path, { inputs, manifest })
  const { kept, heldOut } = holdOut(source, { share: archiveHeldOut, seed: 20 })
  return place.part === 'calibration' ? kept : heldOut
}

/** Part of a bundle's own samples that judges when the site has too few. */
const archiveHeldOut = 1 / 3

/** The first sample as a client would send it: what the device worker times float and int8 on. */
async function writeRequest({ folder }: QuantizeTask, source: SampleSource): Promise<QuantizeAnswer['request']> {
  if (source.count === 0) return undefined
  const { inputs } = await source.read(0)
  const { contentType, jsonLength, body } = encodeRequest(inputs, { form: 'oip' })
  writeFileSync(join(folder, taskFiles.request), body, { mode: 0o600 })
  return { contentType, ...(jsonLength === undefined ? {} : { jsonLength }) }
}
