import { intAttribute, intsAttribute } from '../../node.js'
import type { ExportCall, ExportOp } from './export-call.js'
import { windowData } from './linear.js'

function window(call: ExportCall) {
  const kernel = intsAttribute(call.node, 'kernel_shape')!
  const dilated = intsAttribute(call.node, 'dilations')?.some(step => step !== 1) === true
  if (dilated) throw call.refuse('a dilated pooling has no counterpart here')
  return { ...windowData(call, kernel.length), kernel, rounding_type: intAttribute(call.node, 'ceil_mode', 0) === 0 ? 'floor' : 'ceil' }
}

const reduceAxes =
  (type: string): ExportOp =>
  call => {
    const spatial = Array.from({ length: call.rank(0) - 2 }, (_, axis) => axis + 2)
    call.result({ type, data: { keep_dims: true }, inputs: [call.input(0), call.net.int64s(`${call.node.name}/axes`, spatial)] })
  }

/** Poolings, over windows and over everything. */
export const poolingExports: Readonly<Record<string, ExportOp>> = {
  AveragePool: call =>
    call.result({
      type: 'AvgPool',
      data: { ...window(call), 'exclude-pad': intAttribute(call.node, 'count_include_pad', 0) === 0 },
      inputs: [call.input(0)],
    }),
  MaxPool: call => {
    if (call.node.outputs.slice(1).some(output => output !== '')) throw call.refuse('indices of a pooling have no counterpart here')
    call.result({ type: 'MaxPool', data: window(call), inputs: [call.input(0)] })
  },
  GlobalAveragePool: reduceAxes('ReduceMean'),
  GlobalMaxPool: reduceAxes('ReduceMax'),
}
