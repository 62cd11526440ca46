import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../src/paths.js'

/** STYLE 2: the floors, low to high; a file may import its own room, rooms to the left on its floor list, and every floor below. */
const floors: readonly (readonly string[])[] = [
  ['errors', 'log', 'paths', 'brand', 'time', 'once'],
  ['config'],
  ['process', 'service'],
  ['graph/tensor', 'graph', 'graph/ops', 'graph/onnx', 'graph/passes', 'graph/fake-quantize', 'graph/ir'],
  ['samples'],
  ['hardware'],
  ['engines'],
  [
    'quantization/settings',
    'quantization/ranges',
    'quantization/placement',
    'quantization/statistics',
    'quantization/algorithms',
    'quantization/qat',
    'quantization/report',
    'quantization/accuracy',
    'quantization/lowering',
    'quantization/costs',
    'quantization/accuracy-aware',
    'quantization',
  ],
  [
    'gateway/wire-errors',
    'gateway/store',
    'gateway/models',
    'gateway/calibration',
    'gateway/jobs',
    'gateway/serving',
    'gateway/commands',
    'gateway/schedule',
    'gateway/mqtt',
    'gateway/http',
  ],
  ['daemon'],
  ['cli/errors', 'cli/context', 'cli/client', 'demo', 'error-catalog', 'cli'],
  ['main'],
]
const rooms = floors.flat()

const source = join(packageRoot, 'src')
const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.ts'))
  .sort()

/** The most specific room that holds `file` (a path below src, without extension). */
function roomOf(file: string): string | undefined {
  return rooms.filter(room => file === room || file.startsWith(`${room}/`)).sort((a, b) => b.length - a.length)[0]
}

const importPattern = /^\s*(import|export)(\s+type)?\s[^'"]*?from\s+['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]\s*\)/gm

function importsOf(file: string): { target: string; typeOnly: boolean }[] {
  return [...readFileSync(join(source, file), 'utf8').matchAll(importPattern)].map(match => ({
    target: relative(source, resolve(source, dirname(file), (match[3] ?? match[4])!)).replace(/\.js$/, ''),
    typeOnly: match[2] !== undefined,
  }))
}

test('every file stands in a room of the plan', async t => {
  for (const file of files) t.ok(roomOf(file.replace(/\.ts$/, '')), file)
})

test('imports go down, never up', async t => {
  for (const file of files) {
    const from = rooms.indexOf(roomOf(file.replace(/\.ts$/, ''))!)
    for (const { target } of importsOf(file)) {
      const to = rooms.indexOf(roomOf(target)!)
      // graph/ and its low rooms know each other's types: node.ts keeps the message it was read from.
      if (rooms[from]!.startsWith('graph') && rooms[to]!.startsWith('graph') && /generated/.test(target)) continue
      t.ok(to <= from, `${file} -> ${target}`)
    }
  }
})

test('engines never know each other', async t => {
  const engine = (path: string) => /^engines\/(null|onnxruntime|openvino)\//.exec(path)?.[1]
  for (const file of files) {
    const own = engine(file)
    for (const { target } of importsOf(file)) if (own !== undefined) t.ok([undefined, own].includes(engine(target)), `${file} -> ${target}`)
  }
})

test('no file imports itself through others, types aside', async t => {
  const edges = new Map(
    files.map(file => [
      file.replace(/\.ts$/, ''),
      importsOf(file)
        .filter(({ typeOnly }) => !typeOnly)
        .map(({ target }) => target),
    ]),
  )
  const state = new Map<string, 'open' | 'done'>()
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') return void t.fail(`cycle: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}`)
    state.set(file, 'open')
    for (const target of edges.get(file) ?? []) visit(target, [...path, file])
    state.set(file, 'done')
  }
  for (const file of edges.keys()) visit(file, [])
  t.equal(state.size >= files.length, true)
})
