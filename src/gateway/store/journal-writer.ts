import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { errorCode, errorMessage, invariant } from '../../errors.js'
import { monotonicMs } from '../../time.js'
import { JournalDatabase } from './journal-database.js'
import type { JournalOperation, JournalReport } from './journal-protocol.js'

/**
 * Entry of the journal's writer thread: everything that waits in the port becomes one transaction, with one report after it. What arrives meanwhile
 * waits there for the next.
 */
const { path, maxBytes, reserveBytes } = workerData as { readonly path: string; readonly maxBytes: number; readonly reserveBytes: number }

/** Bounds how long the first caller of a batch waits for the last. */
const batchOperations = 128

/** The count of bytes is read from the kernel once in so many commits. */
const commitsPerCount = 16

const port = parentPort
invariant(port !== null, 'the journal writer runs as a worker thread')
const report = (message: JournalReport) => port.postMessage(message)

function open(): JournalDatabase | undefined {
  try {
    return new JournalDatabase({ path, maxBytes, reserveBytes, now: monotonicMs })
  } catch (error) {
    report({ kind: 'refused', code: errorCode(error), message: errorMessage(error) })
    return undefined
  }
}

let commits = 0
let bytesWritten = 0
const database = open()
if (database === undefined) port.close()
else {
  report({ kind: 'open', ...database.keys() })
  port.on('message', (batch: JournalOperation[]) => {
    while (batch.length < batchOperations) {
      const next = receiveMessageOnPort(port) as { readonly message: readonly JournalOperation[] } | undefined
      if (next === undefined) break
      batch.push(...next.message)
    }
    const results = database.commit(batch)
    if (commits % commitsPerCount === 0) bytesWritten = JournalDatabase.bytesWritten()
    commits += 1
    report({ kind: 'done', results, durable: database.durable, bytesWritten })
    if (batch.some(operation => operation.do === 'close')) {
      database.close()
      port.close()
    }
  })
}
