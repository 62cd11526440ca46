import { test } from 'tap'
import {
  type CostTable,
  checkConditions,
  formatCosts,
  hashCosts,
  mergeCosts,
  parseCosts,
} from '../../../src/quantization/costs/cost-table.js'
import { interpolate } from '../../../src/quantization/costs/table-costs.js'

const conversion = { enter: [[100, 1]], leave: [[100, 2]] } satisfies CostTable['conversions']['rows']
const table = (units: CostTable['units'], threads = 1): CostTable => ({
  version: 1,
  conditions: { engine: { name: 'onnxruntime', version: '1.30.0' }, processor: 'a CPU', threads },
  conversions: { planes: conversion, rows: conversion },
  units,
  models: {},
})

test('a table has the same bytes and hash however its units came in', async t => {
  const a = { float_us: 1, int8_us: 2 }
  const one = table({ x: a, b: a })
  const other = table({ b: a, x: a })
  t.equal(formatCosts(one), formatCosts(other))
  t.equal(hashCosts(one), hashCosts(other))
  t.not(hashCosts(one), hashCosts(table({ x: a })))
  t.same(parseCosts(formatCosts(one), 'here'), one)
})

test('what is no table says where it was found', async t => {
  for (const text of ['', '{}', '{"version":2}', formatCosts(table({})).replace('"threads": 1', '"threads": 0')])
    t.throws(() => parseCosts(text, 'costs.json'), { code: 'ERR_COSTS_FILE', message: /^'costs.json': / }, text)
})

test('a newer measurement replaces an older one, unless it is of another host', async t => {
  const merged = mergeCosts(
    table({ a: { float_us: 1, int8_us: 1 }, b: { float_us: 2, int8_us: 2 } }),
    table({ b: { float_us: 3, int8_us: 3 } }),
  )
  t.same(merged.units, { a: { float_us: 1, int8_us: 1 }, b: { float_us: 3, int8_us: 3 } })
  t.throws(() => mergeCosts(table({}), table({}, 2)), { code: 'ERR_COSTS_OTHER_HOST' })
  t.throws(() => checkConditions(table({}), { ...table({}).conditions, processor: 'another' }), {
    code: 'ERR_COSTS_OTHER_HOST',
    message: /expected onnxruntime 1.30.0 on another with 1 thread, found .* on a CPU/,
  })
})

test('conversions lie on straight lines between what was measured, and go on beyond', async t => {
  const points = [
    [100, 2],
    [200, 4],
    [400, 5],
  ] satisfies [number, number][]
  for (const [elements, us] of [
    [1, 2],
    [100, 2],
    [150, 3],
    [200, 4],
    [300, 4.5],
    [800, 7],
  ] as const)
    t.equal(interpolate(points, elements), us, `${elements}`)
  t.equal(interpolate([[100, 3]], 900), 3)
})
