import { test } from 'tap'
import { ints } from '../../../src/graph/node.js'
import { findAnsweringLayers } from '../../../src/quantization/placement/find-answering-layers.js'
import { scanUnits } from '../../../src/quantization/placement/scan-units.js'
import { buildGraph, i64, op, seeded } from '../../fixtures/graph-builder.js'

/** A wide convolution, then one of `channels` that answers through a Transpose and a Reshape. */
function detector(channels: number) {
  const graph = buildGraph({
    inputs: { x: ['float32', [1, 16, 8, 8]] },
    outputs: { scores: ['float32', [1, 64 * channels]] },
    constants: { wide: seeded([64, 16, 3, 3]), head: seeded([channels, 64, 1, 1]), flat: i64([2], [1, -1]) },
    nodes: [
      op('Conv', ['x', 'wide'], 'f', { pads: ints([1, 1, 1, 1]) }),
      op('Relu', ['f'], 'r'),
      op('Conv', ['r', 'head'], 'h'),
      op('Transpose', ['h'], 't', { perm: ints([0, 2, 3, 1]) }),
      op('Reshape', ['t', 'flat'], 'scores'),
    ],
  })
  const shapes = new Map([
    ['x', [1, 16, 8, 8]],
    ['f', [1, 64, 8, 8]],
    ['r', [1, 64, 8, 8]],
    ['h', [1, channels, 8, 8]],
    ['t', [1, 8, 8, channels]],
    ['scores', [1, 64 * channels]],
  ])
  return findAnsweringLayers(graph, shapes, scanUnits(graph, shapes))
}

test('a cheap convolution whose result is moved to an output is found', async t => {
  const found = detector(2)
  t.same(
    [...found.keys()].map(({ name }) => name),
    ['h'],
  )
  t.match([...found.values()][0], 'output of the model')
})

test('one that does a share of the work is not spared', async t => {
  t.equal(detector(16).size, 0)
})
