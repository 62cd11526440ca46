import { test } from 'tap'
import { isPackedIr, packIr, unpackIr } from '../../../src/graph/ir/packed-ir.js'

const files = { xml: '<net name="größer"/>', bin: Uint8Array.from({ length: 100 }, (_, index) => index) }

test('what is packed comes back, its constants at a multiple of 64', t => {
  const packed = packIr(files)
  t.ok(isPackedIr(packed))
  const { xml, bin } = unpackIr(packed)
  t.equal(xml, files.xml)
  t.strictSame([...bin], [...files.bin])
  t.equal((bin.byteOffset - packed.byteOffset) % 64, 0)
  t.equal(packed.byteLength, 64 + 100)
  t.equal(unpackIr(packIr({ xml: '<net/>', bin: new Uint8Array(0) })).bin.byteLength, 0, 'a model without constants')
  t.end()
})

test('files of other kinds and cut ones are told', t => {
  t.notOk(isPackedIr(Buffer.from('\x08\x08\x12\x07pytorch')))
  t.notOk(isPackedIr(Buffer.from('<?xml version="1.0"?>')))
  t.notOk(isPackedIr(Buffer.from('QIR1')))
  for (const bytes of [Buffer.from('QIR1'), packIr(files).subarray(0, 30), Buffer.from('<?xml version="1.0"?>')])
    t.throws(() => unpackIr(bytes), { code: 'ERR_IR_READ' })
  t.end()
})
