import fc from 'fast-check'
import { test } from 'tap'
import { encodeFrameHead, type Frame, FrameDecoder, frameHeaderBytes, frameKinds } from '../../src/process/frames.js'

const bytesOf = (frame: Frame) => Buffer.concat([encodeFrameHead(frame), frame.body])

const anyFrame: fc.Arbitrary<Frame> = fc.record({
  id: fc.nat(0xffffffff),
  kind: fc.constantFrom(...frameKinds),
  meta: fc.jsonValue().map(value => JSON.parse(JSON.stringify(value)) as unknown),
  body: fc.uint8Array({ maxLength: 300 }),
})

test('reading undoes writing, however the stream is cut', async t => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 5 }), fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (frames, cuts) => {
      const stream = Buffer.concat(frames.map(bytesOf))
      const decoder = new FrameDecoder()
      const read: Frame[] = []
      for (let at = 0; at < stream.length; ) {
        const size = cuts.next().value
        // The chunk's memory is wiped afterwards: a frame must not point into it.
        const chunk = Uint8Array.from(stream.subarray(at, at + size))
        read.push(...decoder.push(chunk))
        chunk.fill(0)
        at += size
      }
      t.strictSame(
        read.map(frame => ({ ...frame, body: [...frame.body] })),
        frames.map(frame => ({ ...frame, body: [...frame.body] })),
      )
    }),
    { numRuns: 60, seed: 3 },
  )
})

test('the body of a frame lies at a multiple of eight, whatever its meta', async t => {
  for (let size = 0; size < 20; size += 1) {
    const [frame] = new FrameDecoder().push(bytesOf({ id: 1, kind: 'event', meta: 'x'.repeat(size), body: Uint8Array.of(1, 2, 3) }))
    t.equal((frame?.body.byteOffset ?? 1) % 8, 0, `meta of ${size}`)
  }
})

test('a header with impossible numbers is refused before memory is taken', async t => {
  const header = (total: number, kind: number, meta: number) => {
    const bytes = Buffer.alloc(frameHeaderBytes)
    bytes.writeUInt32LE(total, 0)
    bytes.writeUInt32LE(kind, 8)
    bytes.writeUInt32LE(meta, 12)
    return bytes
  }
  const cases: readonly [string, Uint8Array, string][] = [
    ['above the limit', header(0xffffffff, 0, 0), 'ERR_FRAME_SIZE'],
    ['shorter than its header', header(4, 0, 0), 'ERR_FRAME_SIZE'],
    ['meta longer than the frame', header(20, 0, 9), 'ERR_FRAME_SIZE'],
    ['unknown kind', Buffer.concat([header(14, 9, 2), Buffer.from('{}')]), 'ERR_FRAME_KIND'],
    ['no JSON', Buffer.concat([header(14, 1, 2), Buffer.from('{,')]), 'ERR_FRAME_META'],
  ]
  for (const [name, bytes, code] of cases) t.throws(() => [...new FrameDecoder(1000).push(bytes)], { code }, name)
  t.throws(() => encodeFrameHead({ id: 1, kind: 'event', meta: {}, body: new Uint8Array(1000) }, 1000), { code: 'ERR_FRAME_SIZE' })
})
