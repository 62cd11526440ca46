import { create } from '@bufbuild/protobuf'
import { test } from 'tap'
import { type Attribute, ints } from '../../../../src/graph/node.js'
import { AttributeProto_AttributeType, AttributeProtoSchema } from '../../../../src/graph/onnx/generated/onnx_pb.js'
import { op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('slices keep starts, ends and axes, negative and open ones too', async t => {
  await assertLifted(t, 'without axes', { opset: 7, nodes: [op('Slice', ['x'], 'y', { starts: ints([0, 1]), ends: ints([1, 3]) })] })
  await assertLifted(t, 'with axes', {
    opset: 9,
    nodes: [op('Slice', ['x'], 'y', { starts: ints([1, -3]), ends: ints([1000, -1]), axes: ints([1, 3]) })],
  })
})

test('an end of INT64_MAX stays INT64_MAX', async t => {
  const most = 9223372036854775807n
  const source = create(AttributeProtoSchema, { name: 'ends', type: AttributeProto_AttributeType.INTS, ints: [most] })
  const ends: Attribute = { kind: 'ints', value: [Number(most)], source }
  await assertLifted(t, 'open end', { opset: 9, nodes: [op('Slice', ['x'], 'y', { starts: ints([1]), ends, axes: ints([2]) })] })
})
