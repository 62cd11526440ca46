import { test } from 'tap'
import { type AwareOptions, type AwareProgress, accuracyAware } from '../../../src/quantization/accuracy-aware/accuracy-aware.js'
import type { AwareCheckpoint } from '../../../src/quantization/accuracy-aware/checkpoint.js'
import type { Demand } from '../../../src/quantization/accuracy-aware/demand.js'
import { AwareEntry } from '../../../src/quantization/report/report.js'
import { ToyHost, type ToyOptions, wrongBelow } from '../../fixtures/quantization/toy-aware-host.js'

const top1: Demand = { name: 'top1', kind: 'share', maxDrop: 0.01, drop: 'absolute' }

async function run(toy: ToyOptions, options: Partial<AwareOptions> = {}) {
  const host = new ToyHost(toy)
  let clock = 0
  const now = () => {
    clock += 1
    return clock
  }
  const result = await accuracyAware({ host, demands: [top1], rankingItems: 300, maxReverts: 100, now, ...options })
  const steps = result.entry.steps.map(({ step, nodes }) => [step, ...nodes].join(' '))
  return { ...result, host, steps }
}

test('int8 that loses less than it may is left as it is, after one evaluation', async t => {
  const { entry, variant, host, steps } = await run({ layers: ['a', 'b'], items: 100, figures: [wrongBelow({ '': 1 })] })
  t.match(entry, { reached: true, kept: 1, items: 100, estimate_s: 0, sentence: /^int8 holds every demand as it is: top1 99\.00 %/ })
  t.same([variant.keepFloat, steps, host.asked], [[], [], ['0/@all']])
  t.ok(AwareEntry.safeParse(entry).success)
})

test('one poisoned layer among eight is found by the ranking and made float, and nothing else', async t => {
  const layers = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const figure = (item: number, float: ReadonlySet<string>) => (item < 30 && !float.has('e') ? 0 : 1)
  const { entry, variant, host, steps } = await run({ layers, items: 100, figures: [figure] }, { rankingItems: 40 })
  t.same(steps, ['rank', 'revert e'])
  t.match(entry, { reached: true, kept: 7 / 8, ranking_items: 40, sentence: /^reached in 1 reverts, 7 of 8 quantized operators stay int8/ })
  t.same(variant.keepFloat, ['e'])
  t.equal(host.asked.filter(question => question.endsWith('@40')).length, 9, 'a ranking runs its subset alone, with and without each group')
  t.equal(host.asked.filter(question => question.endsWith('@all')).length, 2)
})

test('the other recipes are tried before anything is made float, and the search ends with the first that holds', async t => {
  const figure = (item: number, _: ReadonlySet<string>, recipe: number) => (item < [10, 4, 0, 0][recipe]! ? 0 : 1)
  const recipes = ['plain', 'quantile', 'asymmetric', 'smooth']
  const { variant, steps, host, entry } = await run({ layers: ['a'], items: 100, figures: [figure], recipes })
  t.same([variant, steps], [{ recipe: 2, keepFloat: [] }, ['tune', 'tune']])
  t.equal(host.asked.length, 3)
  t.match(entry.sentence, /^reached with asymmetric in 0 reverts/)
})

test('when no recipe holds, layers of the best one are reverted', async t => {
  const figure = (item: number, float: ReadonlySet<string>, recipe: number) => (item < [10, 4, 7][recipe]! && !float.has('b') ? 0 : 1)
  const { variant, entry } = await run({ layers: ['a', 'b'], items: 100, figures: [figure], recipes: ['plain', 'one', 'two'] })
  t.match(entry, { reached: true, kept: 0.5 })
  t.same(variant, { recipe: 1, keepFloat: ['b'] })
})

test('a revert that makes the metric worse is undone and the groups are ranked anew', async t => {
  const errors = { '': 10, a: 5, b: 7, c: 8, 'a+b': 9, 'a+c': 1 }
  const { entry, variant, steps } = await run({ layers: ['a', 'b', 'c'], items: 100, figures: [wrongBelow(errors, 50)] })
  t.same(steps, ['rank', 'revert a', 'revert b', 'undo b', 'rank', 'revert c'])
  t.same(variant.keepFloat, ['a', 'c'])
  t.match(entry.steps[2], { metrics: { top1: 0.91 }, sentence: /worse than before$/ })
  t.match(entry.steps[3], { metrics: { top1: 0.95 } }, 'the model after an undo is the one before')
})

test('the first revert after a ranking is kept although the metric falls', async t => {
  const errors = { '': 10, a: 12, b: 13, 'a+b': 0 }
  const { entry, steps } = await run({ layers: ['a', 'b'], items: 100, figures: [wrongBelow(errors)] })
  t.same(steps, ['rank', 'revert a', 'revert b'])
  t.match(entry, { reached: true, kept: 0 })
})

test('what was made float on the way and is not needed in the end is int8 again', async t => {
  const errors = { '': 10, a: 6, b: 7, c: 8, 'a+b': 4, 'a+b+c': 0, 'b+c': 1, c2: 0 }
  const { variant, steps } = await run({ layers: ['a', 'b', 'c'], items: 100, figures: [wrongBelow(errors, 50)] })
  t.same(steps, ['rank', 'revert a', 'revert b', 'revert c', 'undo a'])
  t.same(variant.keepFloat, ['b', 'c'])
})

test('of groups that give the same metric, the one that takes the most noise away per layer goes first', async t => {
  const noise = (float: ReadonlySet<string>) => 1 - (float.has('a') ? 0.1 : 0) - (float.has('b') ? 0.5 : 0)
  const { steps } = await run({
    layers: ['a', 'b', 'c'],
    joint: [['a', 'b']],
    items: 100,
    noise,
    figures: [wrongBelow({ '': 10, a: 5, b: 5, 'a+b': 5 }, 9)],
  })
  t.equal(steps[1], 'revert b')
})

test('an error is better when it is lower: the group without which it is lowest goes first', async t => {
  const error = (_: number, float: ReadonlySet<string>) =>
    1 + (float.has('a') ? 0 : 0.05) + (float.has('b') ? 0 : 0.5) + (float.has('c') ? 0 : 0.1)
  const rmse: Demand = { name: 'rmse', kind: 'error', maxDrop: 0.06, drop: 'relative' }
  const { steps, entry } = await run({ layers: ['a', 'b', 'c'], items: 20, figures: [error] }, { demands: [rmse] })
  t.same(steps, ['rank', 'revert b', 'revert c'])
  t.match(entry.sentence, /rmse 1\.050, 5\.00 % lost \(6\.00 % allowed\)/)
})

test('with several metrics the one that misses by most is optimised, then the next, and all must hold', async t => {
  const demands: Demand[] = [
    { name: 'top1', kind: 'share', maxDrop: 0.01, drop: 'absolute' },
    { name: 'top5', kind: 'share', maxDrop: 0.02, drop: 'relative' },
  ]
  const figures: ToyOptions['figures'] = [
    (item, float) => (item < 5 && !float.has('a') ? 0 : 1),
    (item, float) => (item >= 60 && item < 80 && !float.has('b') ? 0 : 1),
  ]
  const { steps, entry } = await run({ layers: ['a', 'b', 'c'], items: 100, figures }, { demands })
  t.same(steps, ['rank', 'revert b', 'rank', 'revert a'])
  t.match(entry.steps[1]?.metrics, { top1: 0.95, top5: 1 })
  t.match(entry, { reached: true })
})

test('at most max_reverts steps are made, and the best model that was seen is given', async t => {
  const errors = { '': 10, a: 5, b: 7, c: 8, 'a+b': 4 }
  const { entry, variant, steps } = await run({ layers: ['a', 'b', 'c'], items: 100, figures: [wrongBelow(errors, 3)] }, { maxReverts: 2 })
  t.same(steps, ['rank', 'revert a', 'revert b'])
  t.match(entry, { reached: false, sentence: /^not reached, 2 steps were allowed \(max_reverts\); the best that was seen is kept/ })
  t.same(variant.keepFloat, ['a', 'b'])
})

test('a demand that no layer can save is told as missed, and no layer is made float for nothing', async t => {
  const { entry, variant } = await run({ layers: ['a', 'b', 'c'], items: 100, figures: [wrongBelow({}, 10)] })
  t.match(entry, { reached: false, kept: 1, sentence: /^not reached, nothing is left that could be made float/ })
  t.same(variant.keepFloat, [])
})

test('layers are not made float beyond what may be called int8', async t => {
  const errors = { '': 10, a: 5, b: 7, c: 8, 'a+b+c': 0 }
  const { entry, variant } = await run({ layers: ['a', 'b', 'c'], items: 100, floor: 2, figures: [wrongBelow(errors, 4)] })
  t.match(entry, { reached: false, sentence: /^not reached, more float would leave no int8 model \(only 1 layers\)/ })
  t.same(variant.keepFloat, ['a'])
})

test('groups that leave less than ample integer work wait until the others have not done', async t => {
  const toy = { layers: ['a', 'b', 'c'], joint: [['b', 'c']], items: 100, ample: 1 }
  const spared = await run({ ...toy, figures: [wrongBelow({ '': 10, a: 1, 'b+c': 0 }, 10)] })
  t.same(spared.variant.keepFloat, ['a'], 'the better group of two is not needed')
  const needed = await run({ ...toy, figures: [wrongBelow({ '': 10, a: 8, b: 9, c: 9, 'a+b': 9, 'a+c': 9, 'a+b+c': 1 }, 10)] })
  t.same(needed.variant.keepFloat, ['a', 'b', 'c'])
  t.equal(needed.steps.filter(step => step === 'rank').length >= 2, true)
})

test('of a hundred groups the noisiest 48 are ranked by the metric', async t => {
  const layers = Array.from({ length: 100 }, (_, at) => `l${at}`)
  const addedNoise = new Map(layers.map((layer, at) => [layer, at % 2 === 0 ? at : 0]))
  const figure = (item: number, float: ReadonlySet<string>) => (item < 9 && !float.has('l50') ? 0 : 1)
  const { host, steps } = await run({ layers, items: 100, figures: [figure], addedNoise }, { rankingItems: 10 })
  t.same(steps, ['rank', 'revert l50'])
  t.equal(host.asked.filter(question => question.endsWith('@10')).length, 49)
})

const stubborn: ToyOptions = {
  layers: ['a', 'b', 'c', 'd'],
  items: 100,
  recipes: ['plain', 'other'],
  figures: [wrongBelow({ '': 10, a: 5, b: 7, c: 8, d: 8, 'a+b': 9, 'a+c': 4, 'a+d': 6, 'a+b+c': 3, 'a+c+d': 1 }, 50)],
}

test('a run that was stopped after any of its evaluations goes on from its checkpoint and asks nothing twice', async t => {
  const whole = await run(stubborn)
  t.same(whole.steps, ['tune', 'rank', 'revert a', 'revert b', 'undo b', 'rank', 'revert c', 'revert d'])
  const { estimate_s: _, seconds: __, ...entry } = whole.entry
  for (let stop = 1; stop < whole.host.asked.length; stop += 1) {
    let saved = ''
    const save = (checkpoint: AwareCheckpoint) => {
      saved = JSON.stringify(checkpoint)
      if (Object.keys(checkpoint.measured).length === stop) throw new Error('killed')
    }
    const host = new ToyHost(stubborn)
    await t.rejects(
      accuracyAware({ host, demands: [top1], rankingItems: 300, maxReverts: 100, now: () => 0, checkpoint: { save } }),
      /killed/,
    )
    const resumed = await run(stubborn, { checkpoint: { found: JSON.parse(saved), save: () => {} } })
    const { estimate_s: _, seconds: __, ...again } = resumed.entry
    t.same(again, entry, `stopped after ${stop}`)
    const twice = host.asked.filter(question => resumed.host.asked.includes(question) && question !== '0/@all')
    t.same(twice, [], `stopped after ${stop}: nothing twice`)
  }
})

test('a checkpoint of another run, or none at all, is not followed', async t => {
  let saved: AwareCheckpoint | undefined
  const save = (checkpoint: AwareCheckpoint) => {
    saved = structuredClone(checkpoint)
  }
  const whole = await run(stubborn, { checkpoint: { save } })
  for (const found of [{ ...saved!, identity: 'x' }, { version: 2 }, 'nonsense', null]) {
    const { host, variant } = await run(stubborn, { checkpoint: { found, save: () => {} } })
    t.equal(host.asked.length, whole.host.asked.length)
    t.same(variant, whole.variant)
  }
  t.equal((await run(stubborn, { checkpoint: { found: saved, save: () => {} } })).host.asked.length, 0, 'its own answers everything')
  t.ok((await run(stubborn, { demands: [{ ...top1, maxDrop: 0.02 }], checkpoint: { found: saved, save: () => {} } })).host.asked.length > 0)
})

test('an aborted run ends between two evaluations', async t => {
  const abort = new AbortController()
  const host = new ToyHost(stubborn)
  const onProgress = ({ stage }: AwareProgress) => {
    if (stage === 'rank') abort.abort()
  }
  const options = { host, demands: [top1], rankingItems: 300, maxReverts: 100, now: () => 0, onProgress, signal: abort.signal }
  await t.rejects(accuracyAware(options), { code: 'ERR_ABORTED' })
  t.ok(host.asked.length >= 2 && host.asked.length < 6, host.asked.join())
})

test('progress names the stage and what is left of the estimate, which is there before the ranking starts', async t => {
  const seen: AwareProgress[] = []
  const { entry } = await run(stubborn, { onProgress: progress => seen.push(progress) })
  t.ok(entry.estimate_s > 0)
  t.equal(seen[0]?.etaS, entry.estimate_s, 'the first thing that is told')
  t.ok(seen.every(({ etaS }) => etaS !== undefined))
  t.same([...new Set(seen.map(({ stage }) => stage))], ['evaluate', 'rank', 'revert'])
})
