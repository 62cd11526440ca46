import { test } from 'tap'
import type { StoredModel, StoredVersion } from '../../../src/gateway/models/stored-model.js'
import { judgedState, withActive, withoutOtherForms, withVersion } from '../../../src/gateway/models/version-rules.js'
import { Manifest } from '../../../src/samples/manifest.js'
import { reportFixture } from '../../fixtures/gateway/report.js'

const version = (number: number, more: Partial<StoredVersion> = {}): StoredVersion => ({
  version: String(number),
  kind: number === 1 ? 'float' : 'int8',
  state: 'candidate',
  device: 'cpu0',
  engine: 'onnxruntime',
  artifact: 'a',
  createdAt: '2026-01-01T00:00:00Z',
  ...more,
})

const modelOf = (versions: StoredVersion[], active?: string, previous?: string): StoredModel => ({
  name: 'm',
  bundle: 'b',
  file: 'm.onnx',
  manifest: Manifest.parse({}),
  inputs: [],
  outputs: [],
  versions,
  active,
  previous,
  pinned: false,
  note: '',
})

const states = ({ versions }: StoredModel) => versions.map(({ version: number, state }) => `${number} ${state}`)
const refused = reportFixture({ verdict: 'refused' }).judgement!

test('what answers, what stands ready and what rests, after one activation after the other', async t => {
  let model = modelOf([version(1, { state: 'active' }), version(2), version(3, { judgement: refused, state: 'refused' })], '1')
  model = withActive(model, '2')
  t.same(states(model), ['1 previous', '2 active', '3 refused'])
  model = withActive(model, '3')
  t.same(states(model), ['1 retired', '2 previous', '3 active'])
  model = withActive(model, '2')
  t.same(states(model), ['1 retired', '2 active', '3 previous'])
  model = withActive(model, '1')
  t.same(states(model), ['1 active', '2 previous', '3 refused'], 'a refused one that answered is refused again')
  t.equal(withActive(model, '1'), model)
  t.throws(() => withActive(model, '9'), { code: 'ERR_INTERNAL' })
})

test('numbers are never used twice, whatever was dropped', async t => {
  let model = modelOf([version(1, { state: 'active' })], '1')
  const given: string[] = []
  for (let count = 0; count < 10; count += 1) {
    const { version: _, ...fields } = version(2)
    const next = withVersion(model, fields)
    given.push(next.added.version)
    model = next.model
  }
  t.same(given, ['2', '3', '4', '5', '6', '7', '8', '9', '10', '11'])
  t.equal(model.versions.length, 7, 'float and the last six')
})

test('a judgement moves what rests, not what answers', async t => {
  const accepted = reportFixture().judgement!
  for (const [state, judgement, expected] of [
    ['candidate', refused, 'refused'],
    ['candidate', accepted, 'candidate'],
    ['retired', refused, 'refused'],
    ['refused', accepted, 'candidate'],
    ['active', refused, 'active'],
    ['previous', refused, 'previous'],
  ] as const) {
    t.equal(judgedState(version(2, { state }), judgement), expected, `${state}, ${judgement.verdict}`)
  }
})

test('a float in a new form takes the place of the one before, unless that answers or stands ready to', async t => {
  const form = (number: number, artifact: string, more: Partial<StoredVersion> = {}) =>
    version(number, { kind: 'float', precision: 'float32', artifact, ...more })
  const model = modelOf([
    version(1, { state: 'active' }),
    form(2, 'old'),
    form(3, 'old', { state: 'previous' }),
    form(4, 'old', { device: 'other0' }),
    form(5, 'a', { precision: 'bfloat16' }),
    version(6, { artifact: 'int8' }),
    form(7, 'new'),
  ])
  const numbers = (added: StoredVersion) => withoutOtherForms(model, added).versions.map(({ version: number }) => number)
  t.same(numbers(form(7, 'new')), ['1', '3', '4', '5', '6', '7'])
  t.same(numbers(form(7, 'a')), ['1', '2', '3', '4', '5', '6', '7'], "the bundle's own file is no other form")
})
