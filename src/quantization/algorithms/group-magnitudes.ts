import { isOp } from '../../graph/node.js'
import type { ChannelObserved, ChannelWanted } from '../statistics/statistics.js'
import { type ChannelGroup, singleAxis } from './channel-groups.js'

/**
 * Values of the group that get a quantizer: what its readers read, and what is added, multiplied or averaged between. Where channels lie on several axes, the
 * same elements are looked at before they were moved there.
 */
export function codedValues(group: ChannelGroup): ChannelWanted[] {
  const { values, readers, between } = group
  const coded = new Set([
    ...readers.map(({ value }) => value),
    ...between
      .filter(node => isOp(node, 'Add', 'Sub', 'Mul', 'Div', 'MatMul'))
      .flatMap(({ inputs }) => inputs.map(input => unmoved(group, input))),
  ])
  return [...values].flatMap(([value, place]) => {
    const axis = singleAxis(place)
    return axis !== undefined && coded.has(value) ? [{ value, axis }] : []
  })
}

function unmoved({ values, between }: ChannelGroup, value: string): string {
  for (let at = value; ; ) {
    const place = values.get(at)
    const mover = between.find(node => node.outputs[0] === at && isOp(node, 'Transpose', 'Reshape'))
    if (place === undefined || singleAxis(place) !== undefined || mover === undefined) return at
    at = mover.inputs[0]!
  }
}

/** Largest magnitude of each channel over those values. */
export function magnitudesOf(group: ChannelGroup, channels: ReadonlyMap<string, ChannelObserved>): Float64Array {
  const magnitudes = new Float64Array(group.channels)
  for (const { value } of codedValues(group)) {
    const { low, high } = channels.get(value)!
    const { repeat } = group.values.get(value)!
    for (let i = 0; i < high.length; i += 1) {
      const channel = Math.floor(i / repeat)
      magnitudes[channel] = Math.max(magnitudes[channel]!, high[i]!, -low[i]!)
    }
  }
  return magnitudes
}
