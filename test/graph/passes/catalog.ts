import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { orderedPasses, passes } from '../../../src/graph/passes/catalog.js'
import { packageRoot } from '../../../src/paths.js'

test('passes run in this order', async t => {
  t.same(
    orderedPasses().map(({ name }) => name),
    [
      'constants-to-initializers',
      'remove-identity',
      'fold-shapes',
      'fold-constants',
      'inline-if',
      'canonical-hard-sigmoid',
      'canonical-hard-swish',
      'canonical-layer-norm',
      'mean-to-pool',
      'fuse-batch-norm',
      'fuse-pad',
      'fuse-scale',
      'fuse-bias',
      'scale-into-next',
      'shift-into-next',
      'remove-unused',
    ],
  )
})

test('every pass has its file and its test', async t => {
  const files = (folder: string) => new Set(readdirSync(join(packageRoot, folder)))
  const [source, tests] = [files('src/graph/passes'), files('test/graph/passes')]
  for (const { name } of passes) t.ok(source.has(`${name}.ts`) && tests.has(`${name}.ts`), name)
  const apart = ['catalog', 'define-pass', 'linear', 'prepare', 'run-pass', 'scalar-of']
  t.equal(source.size, passes.length + apart.length)
})

test('what a pass names in after is a pass of its phase', async t => {
  const all: readonly { name: string; phase: string; after?: readonly string[] }[] = passes
  for (const { name, phase, after = [] } of all) {
    for (const earlier of after) t.equal(all.find(pass => pass.name === earlier)?.phase, phase, `${name} after ${earlier}`)
  }
})
