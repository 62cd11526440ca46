import { test } from 'tap'
import { draw, Reservoir } from '../../../src/gateway/calibration/reservoir.js'

/** Feeds requests `from`..`to` (named by their number) and returns what is kept. */
function feed(reservoir: Reservoir, kept: Set<string>, from: number, to: number): void {
  for (let request = from; request <= to; request += 1) {
    const lot = reservoir.consider()
    if (!lot.keep) continue
    if (lot.instead !== undefined) kept.delete(lot.instead)
    kept.add(String(request))
    reservoir.place(String(request), lot.instead)
  }
}

test('everything is kept until the reservoir is full, then its size stays', async t => {
  const kept = new Set<string>()
  const reservoir = new Reservoir({ seed: 1, seen: 0, capacity: 10 }, [])
  feed(reservoir, kept, 1, 10)
  t.equal(kept.size, 10)
  feed(reservoir, kept, 11, 1000)
  t.equal(kept.size, 10)
  t.equal(reservoir.size, 10)
  t.equal(reservoir.state.seen, 1000)
})

test('early, middle and late requests are kept equally often', async t => {
  const thirds = [0, 0, 0]
  for (let seed = 0; seed < 300; seed += 1) {
    const kept = new Set<string>()
    feed(new Reservoir({ seed: seed * 7919 + 3, seen: 0, capacity: 20 }, []), kept, 1, 300)
    for (const request of kept) thirds[Math.floor((Number(request) - 1) / 100)]! += 1
  }
  // 6,000 items over three thirds: 2,000 each with a standard deviation of 36.
  for (const count of thirds) t.ok(Math.abs(count - 2000) < 5 * 37, `${thirds.join()}`)
})

test('a restart in the middle changes nothing', async t => {
  const whole = new Set<string>()
  feed(new Reservoir({ seed: 5, seen: 0, capacity: 8 }, []), whole, 1, 500)
  const parts = new Set<string>()
  const before = new Reservoir({ seed: 5, seen: 0, capacity: 8 }, [])
  feed(before, parts, 1, 200)
  const kept200 = [...parts]
  feed(new Reservoir(before.state, kept200), parts, 201, 500)
  t.equal(parts.size, whole.size)
  const late = (kept: Set<string>) => [...kept].filter(request => Number(request) > 200).length
  t.ok(Math.abs(late(parts) - late(whole)) <= 2, 'the same requests were drawn; only who made room may differ')
})

test('expired items free their places for what comes, at the rate of everyone else', async t => {
  const kept = new Set<string>()
  const reservoir = new Reservoir({ seed: 9, seen: 0, capacity: 10 }, [])
  feed(reservoir, kept, 1, 100)
  const old = [...kept].slice(0, 5)
  reservoir.expire(old)
  for (const id of old) kept.delete(id)
  t.equal(reservoir.state.seen, 50, 'half of the sample stands for half of the requests')
  t.equal(reservoir.size, 5)
  feed(reservoir, kept, 101, 1000)
  t.equal(kept.size, 10, 'the free places were filled')
})

test('shrinking gives up items and places, growing fills up again', async t => {
  const kept = new Set<string>()
  const reservoir = new Reservoir({ seed: 2, seen: 0, capacity: 6 }, [])
  feed(reservoir, kept, 1, 6)
  const gone = reservoir.shrink()
  t.ok(kept.has(gone!))
  t.equal(reservoir.state.capacity, 5)
  t.equal(reservoir.resize(3).length, 2)
  t.equal(reservoir.size, 3)
  t.same(reservoir.resize(6), [])
  feed(reservoir, new Set(), 7, 200)
  t.equal(reservoir.size, 6)
  reservoir.clear(4)
  t.same([reservoir.size, reservoir.state.seen, reservoir.shrink()], [0, 0, undefined])
})

test('draws spread evenly and depend on seed and count', async t => {
  const tenths = new Array<number>(10).fill(0)
  for (let count = 0; count < 10_000; count += 1) tenths[Math.floor(draw(77, count) * 10)]! += 1
  for (const count of tenths) t.ok(Math.abs(count - 1000) < 150, tenths.join())
  t.not(draw(1, 5), draw(2, 5))
  t.equal(draw(1, 5), draw(1, 5))
})
