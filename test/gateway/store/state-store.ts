import { test } from 'tap'
import { StateStore } from '../../../src/gateway/store/state-store.js'

test('counters go on after a restart', async t => {
  const folder = t.testdir()
  const first = StateStore.open(folder)
  t.same([first.next('epoch'), first.next('epoch'), first.next('other')], [1, 2, 1])
  first.close()
  first.close()
  const second = StateStore.open(folder)
  t.teardown(() => second.close())
  t.equal(second.next('epoch'), 3)
})

test('a transaction that throws leaves nothing behind', async t => {
  const store = StateStore.open(t.testdir())
  t.teardown(() => store.close())
  store.remember('kept', 'before')
  t.throws(() =>
    store.transaction(() => {
      store.remember('kept', 'after')
      throw new Error('half way')
    }),
  )
  t.equal(store.remembered('kept'), 'before')
  t.equal(store.remembered('unknown'), undefined)
})

test('commits are flushed to the disk, not left to the system', async t => {
  const store = StateStore.open(t.testdir())
  t.teardown(() => store.close())
  t.equal(store.database.pragma('journal_mode', { simple: true }), 'wal')
  t.equal(store.database.pragma('synchronous', { simple: true }), 2)
})

test('a full disk is told by its code, and what was there stays', async t => {
  const store = StateStore.open(t.testdir())
  t.teardown(() => store.close())
  store.remember('kept', 'before')
  store.database.pragma(`max_page_count = ${store.database.pragma('page_count', { simple: true })}`)
  t.throws(() => store.remember('more', 'x'.repeat(1_000_000)), { code: 'ERR_STORE_FULL' })
  t.equal(store.remembered('kept'), 'before')
  store.database.pragma('max_page_count = 1000000')
  store.remember('more', 'x'.repeat(1_000_000))
})
