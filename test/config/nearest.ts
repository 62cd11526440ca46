import { test } from 'tap'
import { nearest } from '../../src/config/nearest.js'

test('a slip finds its word, a different word finds nothing', async t => {
  const known = ['requantize', 'rollback', 'load', 'unload', 'run']
  for (const [name, expected] of [
    ['requantise', 'requantize'],
    ['rolback', 'rollback'],
    ['lod', 'load'],
    ['LOAD', 'load'],
    ['serve', undefined],
    ['x', undefined],
  ] as const) {
    t.equal(nearest(name, known), expected, name)
  }
})
