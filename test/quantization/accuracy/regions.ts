import { test } from 'tap'
import { findRegions, regions } from '../../../src/quantization/accuracy/regions.js'

/** A map drawn with #; everything else is background. */
function drawn(...rows: readonly string[]) {
  const [height, width] = [rows.length, rows[0]!.length]
  const data = Float32Array.from(rows.join(''), symbol => (symbol === '#' ? 0.9 : 0.1))
  return { dtype: 'float32', shape: [1, 1, height, width], data } as const
}

const wide = drawn('####....####', '####....####', '####....####', '####....####')
const metric = regions.make(0.3)

function added(...items: readonly (readonly [ReturnType<typeof drawn>, ReturnType<typeof drawn>])[]) {
  const tally = metric.start()
  const figures = items.map(([output, float]) => tally.add({ output, float, label: undefined, alphabet: [] }))
  return { figures, value: tally.value() }
}

test('regions touch along edges and corners, and specks are none', async t => {
  const { data } = drawn('###.....', '###.....', '###.....', '...###..', '...###.#', '...###..')
  const { sizes, of } = findRegions(data, 0.3, { height: 6, width: 8 })
  t.same(sizes, [18], 'joined at the corner; the single element is a speck')
  t.equal(of[4 * 8 + 7], -1)
  t.same(findRegions(wide.data, 0.3, { height: 4, width: 12 }).sizes, [16, 16])
  t.same(findRegions(wide.data, 0.95, { height: 4, width: 12 }).sizes, [])
})

test('the right end of a row does not touch the next row, nor one map the next', async t => {
  const { data } = drawn('....###', '....###', '....###', '###....', '###....', '###....')
  t.same(findRegions(data, 0.3, { height: 6, width: 7 }).sizes, [9, 9])
  t.equal(findRegions(new Float32Array(18).fill(1), 0.5, { height: 3, width: 3 }).sizes.length, 2, 'two maps of 3 x 3')
})

test('a region is found when half of it overlaps, and F1 counts those of both', async t => {
  // The left region loses one column of four: 12 of 16. The right one keeps 4 of 16 and grows elsewhere: 4 of 28.
  const int8 = drawn('###........#', '###........#', '###........#', '###........#')
  t.same(added([int8, wide]).figures, [(2 * 1) / 3], 'four elements are a speck')
  const shifted = drawn('####.....###', '####.....###', '####.....###', '####.....###')
  t.same(added([shifted, wide]), { figures: [1], value: 1 })
  const joined = drawn('############', '############', '############', '############')
  // 16 of 48 with each of the two: neither is found.
  t.same(added([joined, wide]).figures, [0])
  const empty = drawn('............', '............', '............', '............')
  t.same(added([empty, empty], [empty, wide], [wide, wide]), { figures: [1, 0, 1], value: (2 * 2) / 6 })
})

test('at exactly one half a region is found once', async t => {
  const one = drawn('######', '######', '######')
  const halves = drawn('###...', '###...', '###...')
  t.same(added([halves, one]).figures, [1])
})

test('a labelled mask is the truth where there is one', async t => {
  const mask = Array.from(wide.data, value => (value > 0.3 ? 1 : 0))
  const add = (label: number[] | number) => metric.start().add({ output: wide, float: drawn('....'), label, alphabet: [] })
  t.equal(add(mask), 1)
  t.equal(add(mask.map(() => 0)), 0)
  for (const label of [1, [1, 0]]) t.throws(() => add(label), { code: 'ERR_QUANT_METRIC' })
})
