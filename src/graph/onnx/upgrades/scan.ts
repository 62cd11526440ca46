import { cannotUpgrade, defineUpgrade } from './upgrade.js'

/** Scan-8 ran over a batch axis with lengths of sequences, which later sets lack; Scan-9 and later are the same. */
export const scan = defineUpgrade({
  ops: ['Scan'],
  apply(node, { opset }) {
    if (opset < 9) throw cannotUpgrade(node, opset, 'a scan with a batch axis has no later form')
    return [node]
  },
})
