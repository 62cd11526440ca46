import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import type { Accepted, InboxRecord, Reply } from '../../../src/gateway/store/journal.js'
import { JournalThread, type OpenJournal } from '../../../src/gateway/store/journal-thread.js'
import { Sqlite } from '../../../src/gateway/store/sqlite.js'
import { type Clock, systemClock } from '../../../src/time.js'

const request = (correlation: string, more: Partial<InboxRecord> = {}): InboxRecord => ({
  replyTopic: 'quantd-reply/app/1',
  correlation: Buffer.from(correlation),
  model: 'resnet',
  caller: 'app',
  priority: 1,
  contentType: 'application/octet-stream',
  body: Buffer.from(`body of ${correlation}`),
  form: '5',
  ...more,
})

const replyTo = (record: InboxRecord, text = 'answer'): Reply => ({
  replyTopic: record.replyTopic,
  correlation: record.correlation,
  body: Buffer.from(text),
  properties: { status: '200' },
  contentType: 'application/json',
  form: record.form,
})

async function open(t: Test, options: Partial<OpenJournal> = {}): Promise<JournalThread> {
  const journal = await JournalThread.open({ path: join(t.testdirName, 'journal.db'), reserveBytes: 65_536, ...options })
  t.teardown(() => journal.close())
  return journal
}

const committed = async (accepted: Accepted) => (accepted.kind === 'answered' ? undefined : await accepted.committed)

/** Wall and monotonic time that a test moves. */
class FakeClock implements Clock {
  monotonic = 1000
  wallTime = Date.UTC(2026, 0, 1)
  now = () => this.monotonic
  wall = () => this.wallTime
  sleep = systemClock.sleep
}

test('a second delivery of a running request attaches to it; after the answer it gets the same bytes', async t => {
  t.testdir()
  const journal = await open(t)
  const first = journal.accept(request('a'))
  const second = journal.accept(request('a'))
  t.equal(first.kind, 'new')
  t.equal(second.kind, 'running')
  t.equal(second.entry, first.entry)
  t.match(await committed(first), { durable: true })
  t.match(await committed(second), { durable: true })
  const answered = journal.answer(first.entry, replyTo(request('a'), 'ünï'), { remember: 'yes' })
  const third = journal.accept(request('a'))
  t.equal(third.kind, 'answered', 'known before the answer is on disk')
  t.match(await answered, { durable: true })
  const reply = third.kind === 'answered' ? await third.reply : undefined
  t.equal(Buffer.from(reply!.body).toString(), 'ünï')
  t.same(reply!.properties, { status: '200' })
  t.equal(journal.accept(request('a', { replyTopic: 'quantd-reply/app/2' })).kind, 'new', 'the key has two parts')
})

test('a refusal that asks for a retry frees the key at once', async t => {
  t.testdir()
  const journal = await open(t)
  const first = journal.accept(request('a'))
  await journal.answer(first.entry, replyTo(request('a')), { remember: 'no' })
  t.equal(journal.figures().outbox, 1)
  const again = journal.accept(request('a'))
  t.equal(again.kind, 'new')
  t.not(again.entry, first.entry)
  journal.delivered(first.entry)
  t.equal(journal.figures().outbox, 0)
})

test('a request that is answered while it is held is never written; one that is not is', async t => {
  t.testdir()
  const journal = await open(t)
  const quick = journal.accept(request('quick', { body: randomBytes(100_000) }), { holdMs: 60_000 })
  t.equal(journal.accept(request('quick')).kind, 'running', 'duplicates attach to it')
  const answered = journal.answer(quick.entry, replyTo(request('quick')), { remember: 'yes' })
  t.match(await committed(quick), { durable: true }, 'acknowledged with its answer')
  t.match(await answered, { durable: true })
  t.equal(journal.figures().commits, 1)
  const expired = journal.accept(request('expired'), { holdMs: 60_000 })
  t.match(await journal.answer(expired.entry, undefined, { remember: 'no' }), { durable: true })
  t.match(await committed(expired), { durable: true })
  t.equal(journal.figures().commits, 1, 'what nobody waits for costs nothing')
  const slow = journal.accept(request('slow'), { holdMs: 1 })
  t.match(await committed(slow), { durable: true })
  journal.accept(request('at the end'), { holdMs: 60_000 })
  await journal.close()
  const after = await open(t)
  t.same(
    (await after.recover()).requests.map(({ correlation }) => Buffer.from(correlation).toString()),
    ['slow', 'at the end'],
  )
})

test('what queued up during a commit shares the next one', async t => {
  t.testdir()
  const journal = await open(t)
  const all = Array.from({ length: 200 }, (_, index) => journal.accept(request(String(index), { body: randomBytes(20_000) })))
  for (const one of all) t.match(await committed(one), { durable: true })
  t.ok(journal.figures().commits < 100, `${journal.figures().commits} commits for 200 requests`)
})

test('after a restart requests without an answer and replies without an acknowledgement are there, and duplicates are still known', async t => {
  t.testdir()
  const before = await open(t)
  const records = ['running', 'answered', 'delivered', 'expired', 'refused'].map(name =>
    request(name, { id: name, version: '3', jsonLength: 7, expiresInMs: 5000 }),
  )
  const entries = records.map(record => before.accept(record).entry)
  await before.answer(entries[1]!, replyTo(records[1]!, 'one'), { remember: 'yes' })
  await before.answer(entries[2]!, replyTo(records[2]!, 'two'), { remember: 'yes' })
  before.delivered(entries[2]!)
  await before.answer(entries[3]!, undefined, { remember: 'yes' })
  await before.answer(entries[4]!, replyTo(records[4]!), { remember: 'no' })
  before.delivered(entries[4]!)
  before.accept(request('last'))
  await before.close()

  const journal = await open(t)
  const { requests, replies, clockSane } = await journal.recover()
  t.same(
    requests.map(({ correlation }) => Buffer.from(correlation).toString()),
    ['running', 'last'],
  )
  const { correlation, body, ...rest } = records[0]!
  t.match(requests[0]!, { ...rest, entry: entries[0], expiresInMs: Number })
  t.same([Buffer.from(requests[0]!.correlation), Buffer.from(requests[0]!.body)], [correlation, body])
  t.same(
    replies.map(({ body }) => Buffer.from(body).toString()),
    ['one'],
  )
  t.equal(clockSane, true)
  t.equal(journal.accept(records[0]!).kind, 'running')
  const duplicate = journal.accept(records[2]!)
  t.equal(duplicate.kind, 'answered')
  t.equal(Buffer.from((await (duplicate.kind === 'answered' ? duplicate.reply : undefined))!.body).toString(), 'two')
  t.equal(journal.accept(records[3]!).kind, 'new')
  t.equal(journal.accept(records[4]!).kind, 'new')
  t.match(journal.figures(), { inbox: 4, outbox: 1, remembered: 2 })
})

test('the remaining time shrinks by the wall clock, and not when that ran backwards', async t => {
  t.testdir()
  const clock = new FakeClock()
  const before = await open(t, { clock })
  before.accept(request('a', { expiresInMs: 10_000 }))
  before.accept(request('forever'))
  await before.close()
  clock.wallTime += 4000
  const forward = await open(t, { clock })
  t.same(
    (await forward.recover()).requests.map(({ expiresInMs }) => expiresInMs),
    [6000, undefined],
  )
  await forward.close()
  clock.wallTime = 0
  const backward = await open(t, { clock })
  const { requests, clockSane } = await backward.recover()
  t.equal(requests[0]!.expiresInMs, 10_000)
  t.equal(clockSane, false)
})

test('a delivered reply is forgotten 60 s after its request expired, and earlier when the remembered bytes are too many', async t => {
  t.testdir()
  const clock = new FakeClock()
  const journal = await open(t, { clock, rememberBytes: 1500 })
  const answer = async (name: string, bytes: number) => {
    const { entry } = journal.accept(request(name, { expiresInMs: 30_000 }))
    await journal.answer(entry, { ...replyTo(request(name)), body: Buffer.alloc(bytes) }, { remember: 'yes' })
    journal.delivered(entry)
  }
  await answer('old', 1000)
  await answer('young', 400)
  const forgotten = async (count: number) => {
    while (journal.figures().remembered !== count) await new Promise(setImmediate)
  }
  clock.monotonic += 89_000
  t.equal(journal.accept(request('old')).kind, 'answered')
  await answer('third', 600)
  await forgotten(2)
  t.equal(journal.accept(request('old')).kind, 'new', 'the oldest went for the bytes')
  clock.monotonic += 2000
  await forgotten(1)
  t.equal(journal.accept(request('young')).kind, 'new')
  t.equal(journal.accept(request('third')).kind, 'answered')
})

test('a full disk makes requests undurable, keeps what was there, and heals by itself', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'quantd-journal-'))
  t.teardown(() => rmdirSync(folder))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=9m', 'tmpfs', folder], { stdio: 'pipe' })
  } catch (error) {
    // Only root mounts; the ceiling of the file takes the same way through the code, and is tried below in any case.
    t.comment(`no tmpfs here: ${String(error)}`)
    return
  }
  const journal = await JournalThread.open({ path: join(folder, 'journal.db'), reserveBytes: 512 * 1024 })
  t.teardown(async () => {
    await journal.close()
    execFileSync('umount', [folder])
  })
  const kept = journal.accept(request('kept'))
  t.match(await committed(kept), { durable: true })
  const filler = join(folder, 'filler')
  const fill = () => {
    try {
      writeFileSync(filler, Buffer.alloc(9 * 2 ** 20))
    } catch {
      // That is the point: not one byte is left.
    }
  }
  fill()
  const big = journal.accept(request('big', { body: randomBytes(6_000_000) }))
  t.match(await committed(big), { durable: false, reason: /full/ })
  t.equal(journal.figures().durable, false)
  t.equal(journal.accept(request('big')).kind, 'running', 'duplicates attach all the same')
  t.match(await journal.answer(big.entry, replyTo(request('big')), { remember: 'yes' }), { durable: false })
  t.match(await journal.answer(kept.entry, undefined, { remember: 'yes' }), { durable: true }, 'what frees space commits, from the reserve')
  execFileSync('rm', [filler])
  let healed = false
  for (let attempt = 0; !healed && attempt < 100; attempt += 1) {
    const commit = await committed(journal.accept(request(`again ${attempt}`)))
    healed = commit?.durable === true
    if (!healed) await new Promise(resolve => setTimeout(resolve, 50))
  }
  t.equal(healed, true)
  t.equal(statSync(join(folder, 'journal.db.reserve')).size, 512 * 1024, 'the reserve is back')
})

test('the ceiling of the file counts as a full disk', async t => {
  t.testdir()
  const journal = await open(t, { maxBytes: 1_000_000 })
  const small = journal.accept(request('small'))
  t.match(await committed(small), { durable: true })
  const big = journal.accept(request('big', { body: randomBytes(2_000_000) }))
  t.match(await committed(big), { durable: false, reason: /full/ })
  t.match(await journal.answer(small.entry, undefined, { remember: 'yes' }), { durable: true })
})

test('kill -9 of the process that writes leaves a sound file with every request it had called durable', async t => {
  const folder = t.testdir()
  const path = join(folder, 'journal.db')
  const module = new URL('../../../src/gateway/store/journal-thread.js', import.meta.url)
  const script = `
    const { JournalThread } = await import(${JSON.stringify(module.href)})
    const journal = await JournalThread.open({ path: ${JSON.stringify(path)}, reserveBytes: 65536 })
    const { requests } = await journal.recover()
    for (const { entry } of requests) await journal.answer(entry, undefined, { remember: 'yes' })
    const base = { replyTopic: 'quantd-reply/app/1', model: 'm', caller: 'app', priority: 1, contentType: 'application/octet-stream', form: '5' }
    for (let index = 0; ; index += 1) {
      const accepted = journal.accept({ ...base, correlation: Buffer.from(process.argv[2] + index), body: Buffer.alloc(50000, index) })
      accepted.committed.then(() => process.stdout.write(process.argv[2] + index + '\\n'))
      if (index % 4 === 3) await accepted.committed
    }`
  writeFileSync(join(folder, 'write.mjs'), script)
  for (let round = 0; round < 5; round += 1) {
    const child: ChildProcess = spawn(process.execPath, [join(folder, 'write.mjs'), `${round}-`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let told = ''
    child.stdout!.on('data', data => {
      told += String(data)
      if (told.length > 200 + round * 100) child.kill('SIGKILL')
    })
    await once(child, 'close')
    const durable = told.slice(0, told.lastIndexOf('\n')).split('\n')
    t.ok(durable.length > 5, 'it had begun')
    const database = new Sqlite(path)
    t.equal(database.pragma('integrity_check', { simple: true }), 'ok')
    const found = new Set(
      (database.prepare('SELECT correlation FROM request').all() as { correlation: Buffer }[]).map(row => row.correlation.toString()),
    )
    database.close()
    t.same(
      durable.filter(name => !found.has(name)),
      [],
      `round ${round}: ${durable.length} durable requests`,
    )
  }
})

test('a file of a newer release, and a file that is none, are refused with a code', async t => {
  const folder = t.testdir()
  await (await JournalThread.open({ path: join(folder, 'newer.db'), reserveBytes: 4096 })).close()
  const database = new Sqlite(join(folder, 'newer.db'))
  database.pragma('user_version = 99')
  database.close()
  await t.rejects(JournalThread.open({ path: join(folder, 'newer.db') }), { code: 'ERR_STORE_NEWER' })
  writeFileSync(join(folder, 'none.db'), 'this is not a database, and long enough to be looked at'.repeat(100))
  await t.rejects(JournalThread.open({ path: join(folder, 'none.db') }), { code: 'ERR_STORE_OPEN' })
})

test('close commits what was handed over, and can be called twice', async t => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'deep'))
  const path = join(folder, 'deep/journal.db')
  const journal = await JournalThread.open({ path, reserveBytes: 4096 })
  const accepted = journal.accept(request('a'))
  await Promise.all([journal.close(), journal.close()])
  t.match(await committed(accepted), { durable: true })
  t.match(await committed(journal.accept(request('b'))), { durable: false })
  t.ok(existsSync(path))
})
