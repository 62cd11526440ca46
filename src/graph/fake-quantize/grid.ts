import { roundHalfEven } from '../tensor/round-half-even.js'

/** What a quantizer lets through: value = scales[channel] * (code - zeroPoints[channel]), code an integer of [low, high]. One entry per channel, or one for all. */
export interface Grid {
  readonly scales: Float32Array
  readonly zeroPoints: Int32Array
  readonly low: number
  readonly high: number
  /** Axis of the channels; undefined = one entry. */
  readonly axis: number | undefined
  /** Float 0 is a code in every channel. False: `zeroPoints` are rounded to the nearest. */
  readonly exact: boolean
  /** The widest of the limits that the grid was read from; absent = its own ends. */
  readonly limits?: { readonly low: number; readonly high: number }
  /** Scales that the limits of a channel could also have been made from, the likeliest first; absent where they leave no doubt. */
  readonly likelyScales?: ReadonlyMap<number, readonly number[]>
}

export interface Limits {
  readonly lows: ArrayLike<number>
  readonly highs: ArrayLike<number>
  readonly levels: number
  readonly axis: number | undefined
}

/** Float32 limits leave a zero point within this of a code where it is one. */
const zeroTolerance = 1e-3

/** Grid with the codes 0..levels - 1 of a FakeQuantize (quantization.md 1.2); undefined where a channel's limits are not finite and in order. */
export function gridOfLimits({ lows, highs, levels, axis }: Limits): Grid | undefined {
  const top = levels - 1
  const scales = new Float32Array(lows.length)
  const zeroPoints = new Int32Array(lows.length)
  const likelyScales = new Map<number, readonly number[]>()
  let exact = true
  for (let channel = 0; channel < lows.length; channel += 1) {
    const low = lows[channel]!
    const high = highs[channel]!
    if (!Number.isFinite(low) || !Number.isFinite(high) || low >= high) return undefined
    const zero = (-low * top) / (high - low)
    const zeroPoint = roundHalfEven(zero)
    if (Math.abs(zero - zeroPoint) > zeroTolerance || zeroPoint < 0 || zeroPoint > top) exact = false
    zeroPoints[channel] = zeroPoint
    const likely = scalesOfLimits({ low, high, zeroPoint, top })
    scales[channel] = likely[0]!
    if (likely.length > 1) likelyScales.set(channel, likely)
  }
  const limits = { low: Array.from(lows).reduce((a, b) => Math.min(a, b)), high: Array.from(highs).reduce((a, b) => Math.max(a, b)) }
  return { scales, zeroPoints, low: 0, high: top, axis, exact, limits, likelyScales }
}

/**
 * The float32 scales that the limits can have been made from, to the last bit: the neighbours of (high - low) / top whose grid ends at exactly these float32
 * limits, the nearest first; that quotient where there is none. About one limit in 256 leaves two.
 */
function scalesOfLimits({ low, high, zeroPoint, top }: { low: number; high: number; zeroPoint: number; top: number }): readonly number[] {
  const quotient = (high - low) / top
  const nearest = Math.fround(quotient)
  const candidates = [nearest, ...[1, 2].flatMap(steps => [neighbour(nearest, steps), neighbour(nearest, -steps)])]
  const fitting = candidates.filter(scale => Math.fround(-zeroPoint * scale) === low && Math.fround((top - zeroPoint) * scale) === high)
  return fitting.length === 0 ? [nearest] : fitting.sort((a, b) => Math.abs(a - quotient) - Math.abs(b - quotient))
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** The float32 that is `steps` floats above a positive one. */
function neighbour(value: number, steps: number): number {
  float[0] = value
  bits[0]! += steps
  return float[0]!
}

/** True when both let the same values through. */
export function sameGrid(a: Grid, b: Grid): boolean {
  return (
    a.low === b.low &&
    a.high === b.high &&
    a.axis === b.axis &&
    a.scales.length === b.scales.length &&
    a.scales.every((scale, at) => scale === b.scales[at]) &&
    a.zeroPoints.every((zeroPoint, at) => zeroPoint === b.zeroPoints[at])
  )
}

/** The ends of the widest channel in each direction. */
export function widestRange({ scales, zeroPoints, low, high, limits }: Grid): { readonly low: number; readonly high: number } {
  if (limits !== undefined) return limits
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  scales.forEach((scale, channel) => {
    from = Math.min(from, scale * (low - zeroPoints[channel]!))
    to = Math.max(to, scale * (high - zeroPoints[channel]!))
  })
  return { low: from, high: to }
}
