import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { create, Header } from 'tar'
import { readBundle } from '../../src/samples/bundle.js'

const files = (t: Test, content: Record<string, string>) => t.testdir({ bundle: content, scratch: {} })

/** A .tar of one entry whose header says anything. */
function forged(
  path: string,
  fields: { type?: 'File' | 'SymbolicLink' | 'Link' | 'CharacterDevice'; size?: number; linkpath?: string } = {},
): Buffer {
  const header = new Header({
    path,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: fields.size ?? 1,
    mtime: new Date(0),
    type: fields.type ?? 'File',
    linkpath: fields.linkpath ?? '',
  })
  const block = Buffer.alloc(512)
  header.encode(block, 0)
  return Buffer.concat([block, Buffer.alloc(fields.size === 0 ? 0 : 512, 'x'), Buffer.alloc(1024)])
}

test('a folder, its tar and a tar of what is in it are the same bundle', async t => {
  const root = files(t, {
    'model.json': '{"name":"m","task":"text","alphabet_file":"keys.txt"}',
    'net.onnx': 'bytes',
    'keys.txt': 'a\nb\n\u3000\n',
    'calibration.npz': 'z',
  })
  await create({ file: join(root, 'outer.tar'), cwd: root }, ['bundle'])
  await create({ file: join(root, 'inner.tar'), cwd: join(root, 'bundle'), gzip: true }, ['.'])
  const [folder, outer, inner] = await Promise.all(
    ['bundle', 'outer.tar', 'inner.tar'].map(name => readBundle(join(root, name), { scratch: join(root, 'scratch') })),
  )
  t.equal(outer?.hash, folder?.hash)
  t.equal(inner?.hash, folder?.hash)
  t.equal(folder?.name, 'm')
  t.equal(folder?.model.name, 'net.onnx')
  t.strictSame(folder?.alphabet, ['', 'a', 'b', '\u3000', ' '])
  t.equal(folder?.calibration?.name, 'calibration.npz')
  t.strictSame(
    folder?.files.map(file => file.name),
    ['calibration.npz', 'keys.txt', 'model.json', 'net.onnx'],
  )
  t.ok(existsSync(outer?.model.path ?? ''))
  await Promise.all([outer?.close(), inner?.close(), folder?.close()])
  t.strictSame(readdirSync(join(root, 'scratch')), [], 'what was unpacked is gone')
  t.ok(existsSync(join(root, 'bundle', 'net.onnx')), 'a folder stays')
})

test('another byte or another name gives another hash', async t => {
  const hashes = new Set<string>()
  for (const content of [{ 'a.onnx': 'x' }, { 'a.onnx': 'y' }, { 'b.onnx': 'x' }, { 'a.onnx': 'x', 'model.json': '{}' }]) {
    hashes.add((await readBundle(join(files(t, content), 'bundle'))).hash)
  }
  t.equal(hashes.size, 4)
})

test('a bare .onnx is a bundle with every default', async t => {
  const bundle = await readBundle(join(files(t, { 'net-1.onnx': 'x', 'other.onnx': 'y' }), 'bundle', 'net-1.onnx'))
  t.equal(bundle.name, 'net-1')
  t.equal(bundle.manifest.task, 'other')
  t.equal(bundle.files.length, 1)
})

test('a wrong model.json is refused by key, with the nearest known one', async t => {
  const cases: readonly [string, string, RegExp][] = [
    ['{"tsak":"text"}', 'ERR_BUNDLE_MANIFEST', /unknown key 'tsak'; did you mean 'task'\?/],
    ['{"inputs":{"x":{"from":"image","chanels":"rgb"}}}', 'ERR_BUNDLE_MANIFEST', /'inputs.x.chanels'; did you mean 'channels'\?/],
    ['{"capture":{"max_mbs":3}}', 'ERR_BUNDLE_MANIFEST', /'capture.max_mbs'; did you mean 'max_mb'\?/],
    ['{"max_drop":2}', 'ERR_BUNDLE_MANIFEST', /max_drop/],
    ['{', 'ERR_BUNDLE_MANIFEST', /model.json/],
    ['{"file":"../other.onnx"}', 'ERR_BUNDLE_MODEL', /not in the bundle/],
    ['{"file":"other.onnx"}', 'ERR_BUNDLE_MODEL', /not in the bundle/],
    ['{"alphabet_file":"/etc/passwd"}', 'ERR_BUNDLE_MANIFEST', /not in the bundle/],
    ['{"name":"a/b"}', 'ERR_BUNDLE_MANIFEST', /name/],
  ]
  for (const [json, code, message] of cases) {
    await t.rejects(readBundle(join(files(t, { 'model.json': json, 'net.onnx': 'x' }), 'bundle')), { code, message }, json)
  }
  await t.rejects(readBundle(join(files(t, { 'model.json': '{}' }), 'bundle')), { code: 'ERR_BUNDLE_MODEL', message: /no .onnx/ })
  await t.rejects(readBundle(join(files(t, { 'a.onnx': '', 'b.onnx': '' }), 'bundle')), {
    code: 'ERR_BUNDLE_MODEL',
    details: { found: ['a.onnx', 'b.onnx'] },
  })
  await t.rejects(readBundle(join(files(t, { 'my net.onnx': '' }), 'bundle')), {
    code: 'ERR_BUNDLE_MANIFEST',
    message: /give one in model.json/,
  })
  await t.rejects(readBundle('/nowhere/at/all'), { code: 'ERR_BUNDLE_READ', message: /ENOENT/ })
})

test('an archive with anything but plain files inside itself writes nothing', async t => {
  const root = files(t, {})
  const outside = join(root, 'escaped.onnx')
  const cases: readonly [string, Buffer, string][] = [
    ['absolute', forged(outside), 'ERR_BUNDLE_ENTRY'],
    ['upward', forged('../escaped.onnx'), 'ERR_BUNDLE_ENTRY'],
    ['upward within', forged('a/../../escaped.onnx'), 'ERR_BUNDLE_ENTRY'],
    ['symbolic link', forged('a.onnx', { type: 'SymbolicLink', size: 0, linkpath: '/etc/passwd' }), 'ERR_BUNDLE_ENTRY'],
    ['hard link', forged('a.onnx', { type: 'Link', size: 0, linkpath: '/etc/passwd' }), 'ERR_BUNDLE_ENTRY'],
    ['device', forged('a.onnx', { type: 'CharacterDevice', size: 0 }), 'ERR_BUNDLE_ENTRY'],
    ['backslash', forged('a\\b.onnx'), 'ERR_BUNDLE_ENTRY'],
    ['larger than allowed', forged('a.onnx', { size: 1e9 }), 'ERR_BUNDLE_ENTRY'],
    ['twice', Buffer.concat([forged('a.onnx').subarray(0, 1024), forged('./a.onnx')]), 'ERR_BUNDLE_ENTRY'],
    ['noise', Buffer.alloc(4096, 0xa5), 'ERR_BUNDLE_READ'],
    ['nothing', Buffer.alloc(0), 'ERR_BUNDLE_READ'],
    ['cut', forged('a.onnx', { size: 2000 }).subarray(0, 1024), 'ERR_BUNDLE_READ'],
  ]
  for (const [name, bytes, code] of cases) {
    const file = join(root, 'hostile.tar')
    writeFileSync(file, bytes)
    await t.rejects(readBundle(file, { scratch: join(root, 'scratch'), limits: { files: 10, bytes: 1e6 } }), { code }, name)
    t.notOk(existsSync(outside), name)
    t.strictSame(readdirSync(join(root, 'scratch')), [], name)
  }
})

test('a link or too many files in a folder are refused too', async t => {
  const root = files(t, { 'net.onnx': 'x' })
  symlinkSync('/etc/passwd', join(root, 'bundle', 'link.txt'))
  await t.rejects(readBundle(join(root, 'bundle')), { code: 'ERR_BUNDLE_ENTRY', message: /link.txt/ })
  mkdirSync(join(root, 'many'))
  for (let i = 0; i < 4; i += 1) writeFileSync(join(root, 'many', `${i}.onnx`), 'x')
  await t.rejects(readBundle(join(root, 'many'), { limits: { files: 3, bytes: 1e6 } }), {
    code: 'ERR_BUNDLE_ENTRY',
    message: /more than 3/,
  })
})
