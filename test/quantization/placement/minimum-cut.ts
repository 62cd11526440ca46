import { test } from 'tap'
import { CutNetwork } from '../../../src/quantization/placement/minimum-cut.js'
import { seededFloats } from '../../fixtures/graph-builder.js'

type Edge = readonly [from: number, to: number, capacity: number]

function network(vertices: number, edges: readonly Edge[]): CutNetwork {
  const cut = new CutNetwork()
  for (let at = 2; at < vertices; at += 1) cut.vertex()
  for (const [from, to, capacity] of edges) cut.edge(from, to, capacity)
  return cut
}

const weightOf = (edges: readonly Edge[], side: readonly boolean[]) =>
  edges.reduce((total, [from, to, capacity]) => total + (side[from] && !side[to] ? capacity : 0), 0)

test('a chain is cut where it is thinnest', async t => {
  const edges: readonly Edge[] = [
    [0, 2, 5],
    [2, 3, 2],
    [3, 1, 4],
  ]
  t.same(network(4, edges).sourceSide(), [true, false, true, false])
})

test('what costs nothing to cut either way stays with the source', async t => {
  t.same(
    network(3, [
      [0, 2, 1],
      [2, 1, 1],
    ]).sourceSide(),
    [true, false, true],
  )
  t.same(network(3, []).sourceSide(), [true, false, true])
})

test('a way that may not be cut is refused, one that may not be cut in part is cut elsewhere', async t => {
  t.throws(
    () =>
      network(3, [
        [0, 2, Infinity],
        [2, 1, Infinity],
      ]).sourceSide(),
    RangeError,
  )
  t.same(
    network(3, [
      [0, 2, Infinity],
      [2, 1, 7],
    ]).sourceSide(),
    [true, false, true],
  )
})

test('no other division of small random networks is cheaper', async t => {
  const vertices = 7
  for (let seed = 1; seed <= 30; seed += 1) {
    const draws = [...seededFloats(60, seed)].map(value => (value + 1) / 2)
    const edges: Edge[] = Array.from({ length: 18 }, (_, at) => [
      Math.floor(draws[3 * at]! * vertices),
      Math.floor(draws[3 * at + 1]! * vertices),
      Math.ceil(draws[3 * at + 2]! * 9),
    ])
    const usable = edges.filter(([from, to]) => from !== to)
    const found = weightOf(usable, network(vertices, usable).sourceSide())
    let least = Number.POSITIVE_INFINITY
    for (let bits = 0; bits < 2 ** (vertices - 2); bits += 1) {
      const side = [true, false, ...Array.from({ length: vertices - 2 }, (_, at) => ((bits >> at) & 1) === 1)]
      least = Math.min(least, weightOf(usable, side))
    }
    t.equal(found, least, `seed ${seed}`)
  }
})
