import { intAttribute, isOp } from '../graph/node.js'
import type { PlacedLayer } from './placement/placement.js'
import type { Judgement, Report } from './report/report.js'

/** Share of integer multiply-adds that keeping layers float may not go below: what is less is a float model (DECISIONS, Coverage). */
export const coverageFloor = 0.9

/**
 * The same for what may be called int8 at all where a part can be no faster in integers: depthwise convolutions, whose integer kernels are slower than float,
 * and recurrent layers, which have none.
 */
const mixedFloor = 0.5

type Layers = readonly (Pick<PlacedLayer, 'node' | 'state' | 'macs'> & { readonly reason?: string })[]

/** How the reason of a layer begins that is float by its measured costs. */
const measuredReason = 'measured:'

/** Share of the multiply-adds that integer kernels do; 0 where there are none at all. */
export function coverageOf(layers: Layers): number {
  const sum = (list: Layers) => list.reduce((total, { macs }) => total + macs, 0)
  const all = sum(layers)
  return all === 0 ? 0 : sum(layers.filter(({ state }) => state === 'int8')) / all
}

/** Share of integer multiply-adds below which a result is no int8 model. */
export function coverageFloorOf(layers: Layers): number {
  const mixed = layers.some(({ node }) => (isOp(node, 'Conv') && intAttribute(node, 'group', 1) > 1) || isOp(node, 'GRU', 'LSTM', 'RNN'))
  return mixed ? mixedFloor : coverageFloor
}

/** Why the result is no int8 model, in one sentence; undefined when it is one. */
export function coverageGap(layers: Layers): string | undefined {
  const coverage = coverageOf(layers)
  if (!layers.some(({ macs }) => macs > 0))
    return 'the graph has no convolution or matrix product outside of subgraphs: there is nothing to quantize'
  const measured = layers.find(({ macs, reason }) => macs > 0 && reason?.startsWith(measuredReason) === true)?.reason
  if (coverage === 0 && measured !== undefined) return `float is the faster here, ${measured}: the result is float`
  if (coverage === 0) return 'no convolution or matrix product of this model can be integer: the result is float'
  if (coverage >= coverageFloorOf(layers)) return undefined
  const why = measured === undefined ? '' : ', since the others were measured to be faster in float'
  return `only ${(100 * coverage).toFixed(0)} % of the multiply-adds are integer${why}: the result is a float model with some int8 layers`
}

/** The judgement of a result that a report describes, in whatever types it was opened: what is no int8 model is refused as one, whatever its accuracy. */
export function heldToCoverage(judgement: Judgement, { coverage_gap: gap }: Pick<Report, 'coverage_gap'>): Judgement {
  return gap === undefined ? judgement : { ...judgement, verdict: 'refused', sentence: gap }
}
