import { test } from 'tap'
import { drawProgress, ProgressBar } from '../../../src/cli/output/progress-bar.js'

test('a bar is full at 1, empty at 0, and never longer than itself', async t => {
  t.equal(drawProgress({ label: 'calibrate', share: 0.5, etaS: 11.2 }), '[############------------]  50 %  calibrate  12 s left')
  t.match(drawProgress({ label: 'x', share: 0 }), `[${'-'.repeat(24)}]   0 %`)
  t.match(drawProgress({ label: 'x', share: 7 }), `[${'#'.repeat(24)}] 100 %`)
  t.notMatch(drawProgress({ label: 'x' }), '%', 'an unknown share is not called 0')
})

test('on a terminal one line is redrawn and cleared; in a log each stage is one line', async t => {
  let text = ''
  const err = (more: string) => {
    text += more
  }
  const live = new ProgressBar({ err, interactive: true, columns: 30 })
  live.show({ label: 'calibrate', share: 0.1 })
  live.show({ label: 'calibrate', share: 0.2 })
  live.end()
  live.end()
  t.notMatch(text, '\n')
  t.ok(
    text.split('\r').every(line => line.replace('\u001b[K', '').length < 30),
    'cut to the terminal',
  )
  t.ok(text.endsWith('\r\u001b[K'), 'the line is cleared, once')
  text = ''
  const log = new ProgressBar({ err, interactive: false, columns: undefined })
  for (const label of ['calibrate', 'calibrate', 'evaluate']) log.show({ label, share: 0.1 })
  log.end()
  t.equal(text, 'calibrate\nevaluate\n')
})
