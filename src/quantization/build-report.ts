import { createHash } from 'node:crypto'
import type { Model } from '../graph/graph.js'
import { modeOf } from './algorithms/assign-parameters.js'
import type { Candidate } from './candidate.js'
import type { QuantizeRequest } from './contract.js'
import { coverageGap, coverageOf } from './coverage.js'
import type { Codes } from './lowering/emitter.js'
import type { PlacedLayer } from './placement/placement.js'
import type { ActivationMode, Affine } from './ranges/affine.js'
import { rangeOf } from './ranges/affine.js'
import type { AlgorithmEntry, LayerEntry, QuantizerEntry, Report } from './report/report.js'
import type { Chosen } from './search/search.js'
import type { StageTime } from './stage-clock.js'

export interface ReportFields {
  readonly request: QuantizeRequest
  /** The float model as it was quantized. */
  readonly model: Model
  readonly chosen: Chosen
  /** Noise over signal per integer operator, by node name. */
  readonly noise: ReadonlyMap<string, number>
  readonly algorithms: readonly AlgorithmEntry[]
  readonly weightRange: 'full' | 'half'
  readonly sampleCount: number
  readonly stages: readonly StageTime[]
  /** Of the process, when the result was made. */
  readonly peakMiB: number
  /** What is to be said besides what the choice of the candidate says. */
  readonly notes: readonly string[]
}

/** Everything that was decided and seen, as `report.json` has it; the judge comes after. */
export function buildReport({
  request,
  model,
  chosen,
  noise,
  algorithms,
  weightRange,
  sampleCount,
  stages,
  peakMiB,
  notes,
}: ReportFields): Report {
  const { candidate, kernels } = chosen
  const placed = candidate.placement.layers
  const gap = request.spec.precision === 'float16' ? undefined : coverageGap(placed)
  const written = candidate.written()
  const opset = request.model.opsets.get('') ?? 0
  const preparedOpset = model.opsets.get('') ?? 0
  return {
    version: 1,
    model: {
      name: request.name,
      sha256: request.sha256,
      opset,
      ...(preparedOpset === opset ? {} : { lifted_to: preparedOpset }),
      bytes: request.bytes,
    },
    result: { sha256: sha256(written), bytes: written.byteLength, opset: preparedOpset, ...irEntry(candidate) },
    device: request.spec.name,
    settings: request.settings,
    chosen: { scheme: candidate.recipe.mode, why: chosen.why, weight_range: weightRange, estimator: candidate.recipe.estimator },
    samples: { sha256: request.samples.hash, calibration: sampleCount, held_out: request.heldOut.count },
    coverage: coverageOf(placed),
    ...(gap === undefined ? {} : { coverage_gap: gap }),
    integer_kernels: kernels.integer,
    layers: layerEntries(chosen, noise),
    quantizers: quantizerEntries(candidate, request.spec.activationCodes),
    ...(candidate.placement.observed === undefined ? {} : { observed: observedEntries(chosen, candidate.placement.observed) }),
    algorithms: [...algorithms],
    candidates: [...chosen.candidates],
    ...(chosen.aware === undefined ? {} : { accuracy_aware: chosen.aware }),
    notes: [...notes, ...chosen.notes, ...(gap === undefined ? [] : [gap])],
    stages: [...stages],
    peak_mib: peakMiB,
    engine: { name: request.engine.name, version: request.engine.version() },
    evaluated_on: evaluatedOn(request),
  }
}

function irEntry({ ir }: Candidate): Pick<Report['result'], 'ir'> {
  const files = ir()
  if (files === undefined) return {}
  const xml = Buffer.from(files.xml)
  return { ir: { xml_sha256: sha256(xml), bin_sha256: sha256(files.bin), bytes: xml.byteLength + files.bin.byteLength } }
}

function evaluatedOn({ engine, target, spec }: QuantizeRequest): NonNullable<Report['evaluated_on']> {
  const { name, version } = target?.engine ?? engine
  const device = target?.options.device
  const emulated = target === undefined && spec.engine !== engine.name
  return { name, version: version(), ...(device === undefined ? {} : { device }), emulated }
}

/** Ends over all samples. */
function observedEntries({ maker }: Chosen, observed: readonly string[]) {
  const { ranges } = maker.context.basis.statistics
  return observed.map(tensor => ({ tensor, range: ranges.get(tensor)!['extremes-outermost'] }))
}

function layerEntries({ maker, candidate, kernels }: Chosen, noise: ReadonlyMap<string, number>): LayerEntry[] {
  const { graph } = maker.context.basis.model
  return candidate.placement.layers.map(layer => {
    const { node, state, reason, macs } = kernels.floatInside?.has(layer.node.name) ? insideFloat(layer) : layer
    const ratio = noise.get(node.name)
    return {
      node: node.name,
      op: node.opType,
      state,
      ...(reason === undefined ? {} : { reason }),
      macs,
      ...(ratio === undefined || state === 'float' ? {} : { snr_db: ratio === 0 ? null : round(-10 * Math.log10(ratio), 2) }),
      reads: node.inputs.filter(input => input !== '' && graph.constant(input) === undefined),
      writes: node.outputs.filter(output => output !== ''),
      ...(candidate.weights.has(node) ? { weight: node.inputs[1]! } : {}),
    }
  })
}

/** It reads codes, and computes on what they stand for. */
const insideFloat = (layer: PlacedLayer): PlacedLayer => ({
  ...layer,
  state: 'float',
  reason: 'the engine computes it in float, in one kernel with the quantizer behind it',
})

function quantizerEntries({ recipe, placement, parameters, weights }: Candidate, activationCodes: Codes): QuantizerEntry[] {
  const activations = [...placement.quantizers.values()].map((quantizer): QuantizerEntry => {
    const { dequantize, estimator, channels } = parameters.get(quantizer.value)!
    const mode = quantizer.given === true ? modeOfGiven(dequantize) : modeOf(quantizer, recipe.mode)
    const codes: Codes = quantizer.signed ? 'int8' : activationCodes
    return {
      tensor: quantizer.value,
      of: 'activation',
      scheme: mode,
      granularity: channels === undefined ? 'per-tensor' : 'per-channel',
      codes,
      estimator,
      range: rangeOf(dequantize),
      scale: dequantize.scale,
      zero_point: codes === 'int8' ? dequantize.zeroPoint - 128 : dequantize.zeroPoint,
    }
  })
  const constants = [...weights].map(([node, { scales, axis, given }]): QuantizerEntry => {
    const scale = Math.max(...scales)
    return {
      tensor: node.inputs[1]!,
      of: 'weight',
      scheme: 'symmetric',
      granularity: axis === undefined ? 'per-tensor' : 'per-channel',
      codes: 'int8',
      estimator: given === true ? 'given' : 'min-max',
      range: { low: -127 * scale, high: 127 * scale },
      scale,
      zero_point: 0,
    }
  })
  return [...activations, ...constants]
}

/** Codes that start at zero or lie about it are symmetric. */
const modeOfGiven = ({ zeroPoint }: Affine): ActivationMode => (zeroPoint === 0 || zeroPoint === 128 ? 'symmetric' : 'asymmetric')

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const round = (value: number, digits: number) => Number(value.toFixed(digits))
