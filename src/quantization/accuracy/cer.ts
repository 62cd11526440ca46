import { distance } from 'fastest-levenshtein'
import { decodeCtc } from './ctc.js'
import { defineMetric, type MetricTally } from './metric.js'
import { textLabel } from './text.js'

/**
 * Character error rate: edits (Levenshtein) from what is read to what is labelled, over the characters labelled, all items together; to what float reads where
 * there is no label. Ends are trimmed. Above 1 where more is read than there is. An item's figure is its own rate, over at least one character.
 */
export const cer = defineMetric({ name: 'cer', kind: 'rate', needsLabels: false, labels: textLabel, needsAlphabet: true, start: editTally })

function editTally(): MetricTally {
  let edits = 0
  let characters = 0
  return {
    add({ output, label, float, alphabet }) {
      const wanted = typeof label === 'string' ? label.trim() : decodeCtc(float, alphabet)
      const found = distance(decodeCtc(output, alphabet), wanted)
      edits += found
      characters += wanted.length
      return found / Math.max(1, wanted.length)
    },
    value: () => (characters === 0 ? (edits === 0 ? 0 : 1) : edits / characters),
  }
}
