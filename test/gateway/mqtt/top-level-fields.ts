import fc from 'fast-check'
import { test } from 'tap'
import { topLevelFields } from '../../../src/gateway/mqtt/top-level-fields.js'

const names = ['response_topic', 'correlation', 'timeout_ms']
const read = (text: string) => {
  const fields = topLevelFields(Buffer.from(text), names)
  return fields === undefined ? undefined : Object.fromEntries(fields)
}

test('strings and numbers of the outermost object are found, wherever they stand', async t => {
  t.same(read('{"response_topic":"a/b","correlation":"c","timeout_ms":5e3,"inputs":[1,2'), {
    response_topic: 'a/b',
    correlation: 'c',
    timeout_ms: 5000,
  })
  t.same(read(' { "inputs" : [ {"response_topic":"no", "x":"]}\\"" } ] , "response_topic" : "y\\"\\u0065" } '), { response_topic: 'y"e' })
  t.same(read('{"correlation":{"correlation":"inner"},"timeout_ms":null,"response_topic":true}'), {})
  t.same(read('{}'), {})
})

test('what is no JSON object is not understood', async t => {
  for (const text of [
    '',
    'null',
    '[]',
    '"x"',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{a:1}',
    '{"a":"',
    '\u00ff\u00d8',
  ])
    t.equal(read(text), undefined, text)
})

test('it agrees with JSON.parse on every object', async t => {
  fc.assert(
    fc.property(fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), fc.jsonValue(), { noNullPrototype: true }), object => {
      const expected = Object.fromEntries(
        Object.entries(object).filter(([name, value]) => names.includes(name) && (typeof value === 'string' || typeof value === 'number')),
      )
      t.same(read(JSON.stringify(object)), expected)
    }),
    { seed: 7 },
  )
})
