import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadBundleMetrics } from '../../quantization/accuracy/bundle-metrics.js'
import type { Judging } from '../../quantization/accuracy/choose-metric.js'
import type { Bundle } from '../../samples/bundle.js'
import { encodeRequest } from '../../samples/encode-request.js'
import { openNpz } from '../../samples/npz.js'
import { openRequests } from '../../samples/request-source.js'
import type { SampleSource } from '../../samples/sample.js'
import { holdOut } from '../../samples/split.js'
import { type SamplePlace, type TimingRequest, taskFiles, type WorkerTask } from './worker-task.js'

/** Part of a bundle's own samples that judges when the site has too few. */
const archiveHeldOut = 1 / 3

/** What the bundle says of the task, for the judge. @throws ERR_QUANT_METRIC, ERR_QUANT_METRIC_MODULE */
export async function judgingOf(
  bundle: Bundle,
  { metricModules, settings }: Pick<WorkerTask, 'metricModules' | 'settings'>,
): Promise<Judging> {
  const { manifest, alphabet } = bundle
  const { task, metric, output } = manifest
  return {
    modules: await loadBundleMetrics({ bundle, settings, modules: metricModules ? 'allowed' : 'forbidden' }),
    task,
    ...(metric === undefined ? {} : { metric }),
    ...(output === undefined ? {} : { output }),
    ...(alphabet === undefined ? {} : { alphabet }),
  }
}

/** @throws ERR_SAMPLES_* */
export async function openPlace({ inputs, manifest }: WorkerTask, place: SamplePlace): Promise<SampleSource> {
  if (place.kind === 'captured') return openRequests(place.samples, { inputs, manifest })
  const source = await openNpz(place.path, { inputs, manifest })
  const { kept, heldOut } = holdOut(source, { share: archiveHeldOut, seed: 20 })
  return place.part === 'calibration' ? kept : heldOut
}

/** The first sample as a client would send it: what the device worker times float and int8 on. */
export async function writeTimingRequest({ folder }: WorkerTask, source: SampleSource): Promise<TimingRequest | undefined> {
  if (source.count === 0) return undefined
  const { inputs } = await source.read(0)
  const { contentType, jsonLength, body } = encodeRequest(inputs, { form: 'oip' })
  writeFileSync(join(folder, taskFiles.request), body, { mode: 0o600 })
  return { contentType, ...(jsonLength === undefined ? {} : { jsonLength }) }
}
