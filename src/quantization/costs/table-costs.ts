import type { Graph } from '../../graph/graph.js'
import { elementCount } from '../../graph/tensor/tensor.js'
import type { MeasuredCosts } from '../placement/measured-costs.js'
import type { Shapes } from '../placement/shapes.js'
import type { CostPoints, CostTable } from './cost-table.js'
import { modelSignature, signatureOf } from './signature.js'

export interface TableCostsOptions extends Pick<MeasuredCosts, 'floorOf'> {
  readonly graph: Graph
  readonly shapes: Shapes
}

/** What placement asks, answered for one model from a table. */
export function tableCosts({ units, models, conversions }: CostTable, { graph, shapes, floorOf }: TableCostsOptions): MeasuredCosts {
  const converting = (direction: 'enter' | 'leave') => (value: string) => {
    const shape = shapes.get(value) ?? []
    return interpolate((shape.length === 4 ? conversions.planes : conversions.rows)[direction], elementCount(shape))
  }
  return {
    timesOf: unit => {
      const times = units[signatureOf(graph, shapes, unit)]
      return times === undefined ? undefined : { float: times.float_us, int8: times.int8_us }
    },
    enter: converting('enter'),
    leave: converting('leave'),
    floorOf,
    wholeOf: all => {
      const whole = models[modelSignature(graph, shapes, all)]
      if (whole === undefined) return undefined
      const { fastest, float_us, int8_us } = whole
      return { fastest, reason: `measured: the whole model takes ${float_us.toFixed(0)} us in float, ${int8_us.toFixed(0)} us in int8` }
    },
  }
}

/** Between two points on the straight line, beyond the last with the slope of the last two; below the first what the first takes. */
export function interpolate(points: CostPoints, elements: number): number {
  const [first] = points
  if (elements <= first![0] || points.length === 1) return first![1]
  const at = points.findIndex(([count]) => count >= elements)
  const [low, high] = at === -1 ? [points.at(-2)!, points.at(-1)!] : [points[at - 1]!, points[at]!]
  const slope = (high[1] - low[1]) / (high[0] - low[0])
  return Math.max(0, low[1] + slope * (elements - low[0]))
}
