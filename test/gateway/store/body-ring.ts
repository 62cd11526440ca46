import { test } from 'tap'
import { BodyRing } from '../../../src/gateway/store/body-ring.js'

const bytes = (size: number, value: number) => new Uint8Array(size).fill(value)

test('bodies keep their bytes until they are released, round after round', async t => {
  const ring = new BodyRing(1000)
  const out: { view: Uint8Array; value: number }[] = []
  let refused = 0
  for (let index = 0; index < 1000; index += 1) {
    const value = index % 251
    const view = ring.put(bytes((index * 37) % 300, value))
    if (view === undefined) refused += 1
    else out.push({ view, value })
    if (view === undefined || index % 3 === 0) {
      const oldest = out.shift()
      if (oldest === undefined) continue
      t.ok(
        oldest.view.every(found => found === oldest.value),
        `body ${index}`,
      )
      ring.release()
    }
  }
  t.ok(refused > 0 && refused < 900, `${refused} refused`)
})

test('what is too large now, or ever, is refused and takes nothing', async t => {
  const ring = new BodyRing(100)
  t.equal(ring.put(bytes(101, 1)), undefined)
  t.ok(ring.put(bytes(60, 1)))
  t.equal(ring.put(bytes(60, 2)), undefined)
  t.ok(ring.put(bytes(40, 3)))
  t.equal(ring.put(bytes(1, 4)), undefined)
  ring.release()
  t.equal(ring.put(bytes(100, 5)), undefined)
  t.ok(ring.put(bytes(60, 6)))
  ring.release()
  ring.release()
  t.ok(ring.put(bytes(40, 7)), 'after the gap at the end')
})
