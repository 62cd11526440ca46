import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { fetchBundle } from '../../../src/gateway/models/fetch-bundle.js'
import { Uploads } from '../../../src/gateway/store/uploads.js'

const bytes = Buffer.from('a bundle')
const sha256 = createHash('sha256').update(bytes).digest('hex')
const limits = { maxBytes: 1024, reserveBytes: 0, limitMs: 1000, allow: ['https://models.example/site/'] }

function server(status = 200, body: Buffer = bytes) {
  const asked: string[] = []
  const fetch = (async (address: URL) => {
    asked.push(address.href)
    return new Response(Uint8Array.from(body), { status })
  }) as unknown as typeof globalThis.fetch // the one overload that is called
  return { asked, fetch }
}

test('an allowed address gives the file that has the promised hash', async t => {
  const uploads = new Uploads(t.testdir())
  const { fetch } = server()
  const path = await fetchBundle({ url: 'https://models.example/site/a.tar', sha256 }, uploads, { ...limits, fetch })
  t.same(readFileSync(path), bytes)
})

test('what was uploaded is not fetched again', async t => {
  const uploads = new Uploads(t.testdir())
  const { path } = await uploads.receive(
    (async function* () {
      yield bytes
    })(),
    limits,
  )
  const { asked, fetch } = server()
  t.equal(await fetchBundle({ url: 'https://models.example/site/a.tar', sha256 }, uploads, { ...limits, fetch }), path)
  t.same(asked, [])
})

test('no address outside the allowed ones is asked', async t => {
  const uploads = new Uploads(t.testdir())
  const { asked, fetch } = server()
  for (const url of [
    'https://models.example/sites/a.tar',
    'https://models.example/site/../a.tar',
    'https://models.example:444/site/a.tar',
    'https://models.example.evil/site/a.tar',
    'http://models.example/site/a.tar',
  ])
    await t.rejects(fetchBundle({ url, sha256 }, uploads, { ...limits, fetch }), { code: 'ERR_BUNDLE_ADDRESS', wire: 'FORBIDDEN' }, url)
  t.same(asked, [])
})

test('another hash, a failing server and a missing upload are refused, and nothing stays', async t => {
  const uploads = new Uploads(t.testdir())
  const url = 'https://models.example/site/a.tar'
  const other = Buffer.from('another bundle')
  await t.rejects(fetchBundle({ url, sha256 }, uploads, { ...limits, ...server(200, other) }), { code: 'ERR_BUNDLE_FETCH' })
  t.equal(uploads.path(createHash('sha256').update(other).digest('hex')), undefined)
  await t.rejects(fetchBundle({ url, sha256 }, uploads, { ...limits, ...server(404) }), { code: 'ERR_BUNDLE_FETCH' })
  await t.rejects(fetchBundle({ url, sha256 }, uploads, { ...limits, maxBytes: 3, ...server() }), { code: 'ERR_STORE_UPLOAD' })
  await t.rejects(fetchBundle({ sha256 }, uploads, limits), { code: 'ERR_BUNDLE_UNKNOWN', wire: 'INVALID_ARGUMENT' })
})
