import type { TensorSpec } from '../../graph/tensor/spec.js'
import type { Device } from '../../hardware/device.js'
import { oipDatatype } from '../../samples/oip.js'
import type { ModelRecord, VersionRecord } from '../models/model.js'

/** The retained document of a device; `device.id` is its topic. */
export function deviceDocument({ kind, name, vendor, state, target, why, features, facts }: Device) {
  return { kind, name, vendor, state, target: target ?? null, why, features, facts }
}

/** The retained document of a model: the metadata of the Open Inference Protocol v2, and beside it what is active, why, and how good. */
export function modelDocument({ name, inputs, outputs, versions, active, previous, pinned, state, why, manifest }: ModelRecord) {
  const candidate = versions.findLast(version => version.state === 'candidate')?.version
  const activeRecord = versions.find(({ version }) => version === active)
  return {
    name,
    versions: versions.map(({ version }) => version),
    platform: activeRecord?.engine ?? '',
    inputs: inputs.map(tensorDocument),
    outputs: outputs.map(tensorDocument),
    state,
    why,
    active: active ?? null,
    previous: previous ?? null,
    candidate: candidate ?? null,
    pinned,
    task: manifest.task,
    ...(manifest.classes === undefined ? {} : { classes: manifest.classes }),
    max_drop: manifest.max_drop,
    capture: manifest.capture.mode,
    details: versions.map(versionDocument),
  }
}

function versionDocument({
  version,
  kind,
  state,
  device,
  engine,
  precision,
  artifact,
  scheme,
  calibratedAt,
  samples,
  judgement,
  createdAt,
}: VersionRecord) {
  return {
    version,
    kind,
    state,
    device,
    engine,
    ...(precision === undefined ? {} : { precision }),
    sha256: artifact,
    ...(scheme === undefined ? {} : { scheme }),
    ...(calibratedAt === undefined ? {} : { calibrated_at: calibratedAt }),
    ...(samples === undefined ? {} : { samples }),
    ...(judgement === undefined ? {} : { judgement }),
    created_at: createdAt,
  }
}

/** Free sizes are -1, as the protocol has them. */
function tensorDocument({ name, dtype, shape }: TensorSpec) {
  return { name, datatype: oipDatatype(dtype), shape: shape.map(size => (typeof size === 'number' ? size : -1)) }
}
