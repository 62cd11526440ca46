import { test } from 'tap'
import { checkedLabel } from '../../src/samples/checked-label.js'

const classifier = { task: 'classification', classes: ['bag', 'boot'] } as const

test('a class is named or numbered', async t => {
  const model = { ...classifier, classes: [...classifier.classes] }
  t.equal(checkedLabel(model, 'boot'), 1)
  t.equal(checkedLabel(model, 0), 0)
  for (const label of ['shoe', 2, -1, 0.5, [1], ''])
    t.throws(() => checkedLabel(model, label), { code: 'ERR_SAMPLES_LABEL', message: /bag, boot, or its index 0\.\.1/ })
})

test('without names of its classes a classifier takes indices alone', async t => {
  t.equal(checkedLabel({ task: 'classification' }, 900), 900)
  t.throws(() => checkedLabel({ task: 'classification' }, 'bag'), { code: 'ERR_SAMPLES_LABEL' })
})

test('text and numbers are told apart by the task, the metric of the bundle before it', async t => {
  t.equal(checkedLabel({ task: 'text' }, 'AB 12'), 'AB 12')
  t.throws(() => checkedLabel({ task: 'text' }, 3), { code: 'ERR_SAMPLES_LABEL' })
  t.same(checkedLabel({ task: 'regression' }, [1, 2]), [1, 2])
  t.throws(() => checkedLabel({ task: 'regression' }, '1'), { code: 'ERR_SAMPLES_LABEL' })
  t.equal(checkedLabel({ task: 'classification', metric: 'agreement' }, 'anything'), 'anything')
  t.equal(checkedLabel({ task: 'other' }, 'anything'), 'anything')
  t.throws(() => checkedLabel({ task: 'other', metric: 'cer' }, 3), { code: 'ERR_SAMPLES_LABEL' })
  t.throws(() => checkedLabel({ task: 'other', metric: 'topk:5' }, 'anything'), { code: 'ERR_SAMPLES_LABEL' })
  t.equal(checkedLabel({ task: 'other', metric: 'topk:5' }, 3), 3)
})
