import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { type Test, test } from 'tap'
import { openImages } from '../../src/samples/image-folder.js'
import { Manifest } from '../../src/samples/manifest.js'
import { openSamples } from '../../src/samples/open-samples.js'
import type { SampleSource } from '../../src/samples/sample.js'

const inputs = [{ name: 'x', dtype: 'float32', shape: ['n', 1, 1, 1] }] as const
const manifest = Manifest.parse({ inputs: { x: { from: 'image', channels: 'gray', scale: 1 } }, classes: ['dog', 'cat'] })
const gray = (value: number) =>
  sharp({ create: { width: 1, height: 1, channels: 3, background: { r: value, g: value, b: value } } })
    .png()
    .toBuffer()

async function folder(t: Test, names: Readonly<Record<string, number>>): Promise<string> {
  const root = t.testdir()
  for (const [name, value] of Object.entries(names)) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), await gray(value))
  }
  return root
}

async function read(source: SampleSource): Promise<unknown[][]> {
  const rows: unknown[][] = []
  for (let i = 0; i < source.count; i += 1) {
    const { id, inputs, label } = await source.read(i)
    rows.push([id, inputs.x?.data[0], label])
  }
  return rows
}

test('images are read in the order of their names, labelled by the class that their folder is named after', async t => {
  const root = await folder(t, { 'cat/2.png': 2, 'cat/1.png': 1, 'dog/1.png': 3, 'loose.png': 4 })
  writeFileSync(join(root, 'notes.txt'), 'no image')
  const source = await openSamples(root, { inputs, manifest })
  t.strictSame(await read(source), [
    ['cat/1.png', 1, 1],
    ['cat/2.png', 2, 1],
    ['dog/1.png', 3, 0],
    ['loose.png', 4, undefined],
  ])
  const { classes: _, ...unnamed } = manifest
  t.strictSame(
    (await read(await openImages(root, { inputs, manifest: unnamed }))).map(([, , label]) => label),
    [0, 0, 1, undefined],
  )
})

test('labels.json and labels.csv say more than folders', async t => {
  const root = await folder(t, { 'a.png': 1, 'b.png': 2 })
  writeFileSync(join(root, 'labels.csv'), 'file,label\nb.png,7\na.png,"x", y\n')
  t.strictSame(
    (await read(await openImages(root, { inputs, manifest }))).map(([, , label]) => label),
    ['"x", y', 7],
  )
  writeFileSync(join(root, 'labels.json'), '["text",[1,2]]')
  t.strictSame(
    (await read(await openImages(root, { inputs, manifest }))).map(([, , label]) => label),
    ['text', [1, 2]],
  )
  writeFileSync(join(root, 'labels.json'), '[[[1,2,3,4,0],[5,6,7,8,1]],[]]')
  t.strictSame(
    (await read(await openImages(root, { inputs, manifest }))).map(([, , label]) => label),
    [[1, 2, 3, 4, 0, 5, 6, 7, 8, 1], []],
    'boxes, and a picture without any',
  )
  writeFileSync(join(root, 'labels.json'), '{"b.png":3}')
  const source = await openImages(root, { inputs, manifest })
  t.strictSame(
    (await read(source)).map(([, , label]) => label),
    [undefined, 3],
  )
  t.ok(source.labelled)
})

test('a folder without images, and labels that do not match, are refused', async t => {
  await t.rejects(openImages(t.testdir({ 'a.txt': '' }), { inputs, manifest }), { code: 'ERR_SAMPLES_IMAGES' })
  const root = await folder(t, { 'a.png': 1 })
  for (const [labels, code] of [
    ['[1,2]', 'ERR_SAMPLES_LABEL'],
    ['{"z.png":1}', 'ERR_SAMPLES_IMAGES'],
    ['[null]', 'ERR_SAMPLES_LABEL'],
    ['[[[1,"a"]]]', 'ERR_SAMPLES_LABEL'],
    ['[[[[1]]]]', 'ERR_SAMPLES_LABEL'],
    ['{', 'ERR_SAMPLES_LABEL'],
    ['3', 'ERR_SAMPLES_LABEL'],
  ] as const) {
    writeFileSync(join(root, 'labels.json'), labels)
    await t.rejects(openImages(root, { inputs, manifest }), { code }, labels)
  }
})

test('another pixel, label or preprocessing gives another hash', async t => {
  const root = await folder(t, { 'a.png': 1 })
  const hash = async (parsed = manifest) => (await openImages(root, { inputs, manifest: parsed })).hash
  const hashes = [await hash(), await hash(Manifest.parse({ inputs: { x: { from: 'image', channels: 'gray', scale: 2 } } }))]
  writeFileSync(join(root, 'labels.json'), '[1]')
  hashes.push(await hash())
  writeFileSync(join(root, 'a.png'), await gray(9))
  hashes.push(await hash())
  t.equal(new Set(hashes).size, 4)
})
