import { nearest } from '../../config/nearest.js'
import { QuantdError } from '../../errors.js'
import type { LayerEntry, QuantizerEntry, Report } from './report.js'

/** Names offered where the one asked for is unknown. */
const offered = 5

/**
 * Everything that a report knows of one layer, as a page of text: its place among its neighbours, the quantizers of what it reads, of its weights and of what it
 * writes, how much noise has gathered there, what each algorithm and each accuracy-aware step did to it, and why it is float if it is.
 * @param name of the node; where no node has it, of a value that a node writes
 * @throws ERR_QUANT_LAYER naming the nearest layers
 */
export function explainLayer(report: Report, name: string): string {
  const layer = layerNamed(report, name)
  const lines = [
    `${layer.op} ${layer.node}: ${stateText(layer)}`,
    ...(layer.reason === undefined ? [] : [`  ${layer.reason}`]),
    '',
    ...neighbourLines(report, layer),
    '',
    ...quantizerLines(report, layer),
    '',
    `multiply-adds  ${layer.macs.toLocaleString('en')} for one sample${shareText(report, layer)}`,
    ...noiseLines(report, layer),
    ...changeLines(report, layer),
  ]
  return `${lines.join('\n')}\n`
}

const states: Readonly<Record<LayerEntry['state'], string>> = {
  int8: 'computed in integers',
  codes: 'moves quantized data, without arithmetic',
  float: 'computed in float',
  removed: 'folded into the operator before it',
}
const stateText = ({ state }: LayerEntry): string => states[state]

function layerNamed({ layers }: Report, name: string): LayerEntry {
  const found = layers.find(({ node }) => node === name) ?? layers.find(({ writes }) => writes?.includes(name))
  if (found !== undefined) return found
  const names = layers.map(({ node }) => node)
  const guess = nearest(name, names)
  const parts = names.filter(node => node !== guess && node.toLowerCase().includes(name.toLowerCase()))
  const near = [...(guess === undefined ? [] : [guess]), ...parts].slice(0, offered)
  const hint =
    near.length > 0
      ? `the nearest are ${near.map(node => `'${node}'`).join(', ')}`
      : `the first are ${names
          .slice(0, offered)
          .map(node => `'${node}'`)
          .join(', ')}`
  throw new QuantdError('ERR_QUANT_LAYER', `layer '${name}': the model has no operator of this name; ${hint}`, {
    details: { layer: name, nearest: near },
  })
}

function neighbourLines({ layers }: Report, { reads = [], writes = [] }: LayerEntry): string[] {
  const before = reads.map(value => ({ value, node: layers.find(layer => layer.writes?.includes(value)) }))
  const behind = layers.filter(layer => layer.reads?.some(value => writes.includes(value)))
  return [
    ...before.map(
      ({ value, node }) =>
        `reads          ${value} from ${node === undefined ? 'the input of the model' : `${node.op} ${node.node} (${node.state})`}`,
    ),
    ...writes.map(value => `writes         ${value}`),
    ...behind.map(({ op, node, state }) => `read by        ${op} ${node} (${state})`),
    ...(writes.length > 0 && behind.length === 0 ? ['read by        nothing else: an output of the model'] : []),
  ]
}

function quantizerLines(report: Report, layer: LayerEntry): string[] {
  const { reads = [], weight, state } = layer
  const at = (of: QuantizerEntry['of'], tensor: string) => report.quantizers.find(entry => entry.of === of && entry.tensor === tensor)
  const line = (title: string, tensor: string, entry: QuantizerEntry | undefined) =>
    `${title.padEnd(15)}${tensor}: ${entry === undefined ? 'not quantized' : describeQuantizer(entry)}`
  return [
    ...(state === 'removed' ? [] : reads.map(value => line('input', value, at('activation', value)))),
    ...(weight === undefined ? [] : [line('weights', weight, at('weight', weight))]),
    ...outputsOf(report.layers, layer).map(value => line('output', value, at('activation', value))),
  ]
}

/** Values that a layer writes in the end: behind the operators that are folded into it. */
export function outputsOf(layers: readonly LayerEntry[], { writes = [] }: LayerEntry): readonly string[] {
  return writes.flatMap(value => {
    const folded = layers.find(({ state, reads }) => state === 'removed' && reads?.includes(value) === true)
    return folded === undefined ? [value] : outputsOf(layers, folded)
  })
}

/** Scheme, estimator, range and step of one quantizer in a line. */
export function describeQuantizer({ scheme, granularity, codes, estimator, range, scale, zero_point }: QuantizerEntry): string {
  const ends = range === undefined ? '' : `, ${short(range.low)} .. ${short(range.high)}`
  const from = estimator === 'given' ? 'brought along by the model' : estimator === 'fixed' ? 'known without looking' : estimator
  return `${codes} ${scheme} ${granularity}, ${from}${ends}, step ${short(scale)}, zero point ${zero_point}`
}

function shareText({ layers }: Report, { macs }: LayerEntry): string {
  const all = layers.reduce((sum, layer) => sum + layer.macs, 0)
  return macs === 0 || all === 0 ? '' : ` (${((100 * macs) / all).toFixed(1)} % of the model)`
}

function noiseLines({ layers }: Report, layer: LayerEntry): string[] {
  if (layer.snr_db === undefined) return []
  if (layer.snr_db === null) return ['noise          none: its output equals that of float']
  const measured = layers.filter(({ snr_db }) => typeof snr_db === 'number')
  const noisier = measured.filter(({ snr_db }) => snr_db! < layer.snr_db!).length
  const before = layers.filter(other => other.state !== 'removed' && outputsOf(layers, other).some(value => layer.reads?.includes(value)))
  const arrives = before.flatMap(({ node, snr_db }) => (typeof snr_db === 'number' ? [`${snr_db.toFixed(1)} dB from ${node}`] : []))
  return [
    `noise          ${layer.snr_db.toFixed(1)} dB signal to noise at its output (${noisier} of ${measured.length} layers have less)`,
    ...(arrives.length === 0 ? [] : [`  arrives      ${arrives.join(', ')}`]),
  ]
}

function changeLines({ algorithms = [], accuracy_aware, notes }: Report, { node, weight }: LayerEntry): string[] {
  const mentions = (text: string) => text.includes(`'${node}'`) || (weight !== undefined && text.includes(`'${weight}'`))
  const byAlgorithms = algorithms.flatMap(({ name, state, changes, places }) => {
    const own = changes.filter((change, at) => places?.[at]?.includes(node) ?? mentions(change))
    const verdict = state === 'applied' ? '' : ` (${state})`
    return own.map(change => `${name.padEnd(15)}${change}${verdict}`)
  })
  const steps = (accuracy_aware?.steps ?? [])
    .filter(({ nodes }) => nodes.includes(node))
    .map(({ step, sentence }) => `${step.padEnd(15)}${sentence}`)
  const told = notes.filter(mentions).map(note => `note           ${note}`)
  const idle = algorithms.filter(({ state }) => state === 'applied').map(({ name }) => name)
  const none = byAlgorithms.length === 0 && idle.length > 0 ? [`algorithms     ${idle.join(', ')}: applied, not to this layer`] : []
  const all = [...byAlgorithms, ...none, ...steps, ...told]
  return all.length === 0 ? [] : ['', ...all]
}

/** Four significant digits. */
const short = (value: number): string => String(Number(value.toPrecision(4)))
