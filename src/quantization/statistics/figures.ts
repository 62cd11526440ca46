import { QuantdError } from '../../errors.js'

/** What the reductions give for one run, each kind in the order in which the accumulator takes it. */
export interface RunVectors {
  readonly extremes?: Float32Array
  readonly quantile?: Float32Array
  readonly means?: Float32Array
  readonly channels?: Float32Array
}
export type FigureKind = keyof RunVectors

/** Figures of one kind of one value: where they stand in the vector of their kind. Lengths and places are per sample, but for means, which are of a run. */
export interface Piece {
  readonly value: string
  readonly kind: FigureKind
  readonly at: number
  readonly length: number
}

/**
 * The vectors of each kind from the one vector that a run of `sampleCount` samples gives, where `pieces` follow one another.
 * @throws ERR_QUANT_RANGE where the number of channels is another one than at the first sample
 */
export function takeApart(figures: Float32Array, pieces: readonly Piece[], sampleCount: number): RunVectors {
  const times = ({ kind }: Piece) => (kind === 'means' ? 1 : sampleCount)
  const expected = pieces.reduce((sum, piece) => sum + piece.length * times(piece), 0)
  if (figures.length !== expected) {
    const values = pieces.filter(({ kind }) => kind === 'means' || kind === 'channels').map(({ value }) => value)
    throw new QuantdError('ERR_QUANT_RANGE', `the number of channels changes between samples, in one of ${values.length} values`, {
      details: { expected, found: figures.length, values },
    })
  }
  const vectors: { [K in FigureKind]?: Float32Array } = {}
  for (const kind of new Set(pieces.map(piece => piece.kind))) {
    const own = pieces.filter(piece => piece.kind === kind)
    vectors[kind] = new Float32Array(own.reduce((sum, piece) => sum + piece.length * times(piece), 0))
  }
  let at = 0
  for (const piece of pieces) {
    const length = piece.length * times(piece)
    vectors[piece.kind]!.set(figures.subarray(at, at + length), piece.at * times(piece))
    at += length
  }
  return vectors
}
