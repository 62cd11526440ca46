import { join } from 'node:path'
import { type Test, test } from 'tap'
import { isModuleName, loadMetricModule } from '../../../src/quantization/accuracy/metric-module.js'
import { Tally } from '../../../src/quantization/accuracy/tally.js'

const row = (...values: number[]) => ({ dtype: 'float32', shape: [1, values.length], data: Float32Array.from(values) }) as const

const saved = (t: Test, text: string): string => join(t.testdir({ 'my-metric.mjs': text }), 'my-metric.mjs')

/** Share of items whose output is within a tenth of the label: what the README shows. */
const example = `
export default {
  name: 'near',
  kind: 'share',
  needsLabels: true,
  start() {
    let near = 0
    let count = 0
    return {
      add({ output, label }) {
        const hit = Math.abs(output.data[0] - label) <= 0.1 ? 1 : 0
        near += hit
        count += 1
        return hit
      },
      value: () => (count === 0 ? 0 : near / count),
    }
  },
}
`

test('a module of the user judges like a metric of the catalog', async t => {
  const metric = await loadMetricModule(saved(t, example))
  t.match(metric, { name: 'near', kind: 'share', needsLabels: true })
  const tally = new Tally({ modules: new Map([['./my-metric.mjs', metric]]) }, { metric: './my-metric.mjs', max_drop: 0.01 })
  for (let index = 0; index < 100; index += 1) tally.add({ float: row(3), int8: row(index < 2 ? 3.5 : 3), label: 3 })
  t.match(tally.judgement(), {
    metric: 'near',
    by: 'labels',
    float: 1,
    int8: 0.98,
    verdict: 'refused',
    sentence: /near 100.00 % in float, 98.00 % in int8: 2.00 points lost, 1.00 points allowed/,
  })
})

test('the export may be named, and its methods keep their object', async t => {
  const path = saved(
    t,
    `class Count { items = 0; add() { this.items += 1; return 0 } value() { return this.items } }
     class Counting { name = 'count'; kind = 'error'; needsLabels = false; #made = 0; start() { this.#made += 1; return new Count() } }
     export const metric = new Counting()`,
  )
  const tally = (await loadMetricModule(path)).start()
  const item = { output: row(1), float: row(1), label: undefined, alphabet: [] }
  t.equal(tally.add(item), 0)
  tally.add(item)
  t.equal(tally.value(), 2)
})

test('a module that is missing, fails to load or has another shape is refused with what is wrong', async t => {
  await t.rejects(loadMetricModule(join(t.testdir({}), 'none.mjs')), { code: 'ERR_QUANT_METRIC_MODULE', message: /none\.mjs/ })
  const shape = (fields: string) => `export default { name: 'mine', kind: 'share', needsLabels: false, start() {}, ${fields} }`
  for (const [text, message] of [
    ['export const other = 1', /neither a default export nor one called 'metric'/],
    ['export default 3', /the export/],
    ['this is no JavaScript', /my-metric\.mjs/],
    ["throw new Error('at once')", /at once/],
    [shape("name: ''"), /name/],
    [shape("name: 'top1'"), /name: a metric of the catalog/],
    [shape("kind: 'percent'"), /kind/],
    [shape('needsLabels: 1'), /needsLabels/],
    [shape('start: 1'), /start: expected a function/],
  ] as const) {
    await t.rejects(loadMetricModule(saved(t, text)), { code: 'ERR_QUANT_METRIC_MODULE', message }, text)
  }
})

test('a tally that throws or gives no number is refused where it does', async t => {
  const item = { output: row(1), float: row(1), label: 1, alphabet: [] }
  for (const [body, message] of [
    ["throw new Error('no start')", /start throws: no start/],
    ['return 1', /start gives no tally/],
    ['return { add: () => 1 }', /start gives no tally: value/],
    ["return { add() { throw new Error('bad item') }, value: () => 1 }", /add throws: bad item/],
    ['return { add: () => NaN, value: () => 1 }', /add gives NaN/],
    ['return { add: async () => 1, value: () => 1 }', /add gives a promise/],
    ['return { add: () => 1, value: () => NaN }', /value gives NaN/],
    ['return { add: () => 1, value: () => undefined }', /value gives undefined/],
    ['return { add: () => 1, value: () => 98.5 }', /value gives 98.5; a share lies between 0 and 1/],
    ['return { add: () => 1, value: () => -1 }', /value gives -1/],
  ] as const) {
    const path = saved(t, `export default { name: 'mine', kind: 'share', needsLabels: false, start() { ${body} } }`)
    const metric = await loadMetricModule(path)
    const use = () => {
      const tally = metric.start()
      tally.add(item)
      return tally.value()
    }
    t.throws(use, { code: 'ERR_QUANT_METRIC_MODULE', message }, body)
  }
})

test('a module is told from a metric by its ending', async t => {
  for (const name of ['./my-metric.mjs', 'a/b.js', '/x.mjs']) t.ok(isModuleName(name), name)
  for (const name of ['top1', 'topk:5', 'mjs', 'x.mjs:3']) t.notOk(isModuleName(name), name)
})
