import { QuantdError } from '../../errors.js'
import type { EncodedRequest } from '../../samples/request.js'
import type { LiveSession } from './live-session.js'
import type { ServingDevices } from './serving-devices.js'

const compareLimitMs = 60_000
/** Rounds per call in one worker: an abort is seen between two calls. */
const roundsAtOnce = 20
/** Rounds that one worker runs before the other has its turn: few enough that what changes on the host meets both alike. */
const roundsInTurn = 4
/** The other worker has cooled the caches in between. */
const warmUpsInTurn = 2

export interface CompareOptions {
  readonly devices: ServingDevices
  readonly request: EncodedRequest
  readonly rounds: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Times sessions on one request: microseconds of inference alone, `times[k][round]` for session k, rounds paired. Sessions of one worker take turns inside it;
 * of several, the workers take turns, a few rounds each, so that they never run at the same time.
 * @throws ERR_ABORTED, ERR_WORKER_*, and what the engines throw
 */
export async function compareVersions(
  sessions: readonly LiveSession[],
  { devices, request: { contentType, jsonLength, body }, rounds, signal }: CompareOptions,
): Promise<readonly (readonly number[])[]> {
  const times: number[][] = sessions.map(() => [])
  const isOneWorker = new Set(sessions.map(({ device }) => device)).size === 1
  const groups = isOneWorker ? [sessions.map((_, index) => index)] : sessions.map((_, index) => [index])
  const step = isOneWorker ? roundsAtOnce : roundsInTurn
  for (let done = 0; done < rounds; done += step) {
    const first = (done / step) % groups.length
    for (const group of [...groups.slice(first), ...groups.slice(0, first)]) {
      if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'comparison aborted', { cause: signal.reason })
      const { device } = sessions[group[0]!]!
      const worker = devices.get(device)?.worker
      if (worker === undefined) throw new QuantdError('ERR_WORKER_GONE', `no worker runs for '${device}'`, { details: { device } })
      const { meta } = await worker.call(
        'compare',
        {
          keys: group.map(index => sessions[index]!.key),
          rounds: Math.min(step, rounds - done),
          ...(isOneWorker ? {} : { warmUps: warmUpsInTurn }),
          contentType,
          ...(jsonLength === undefined ? {} : { jsonLength }),
        },
        { body, timeoutMs: compareLimitMs, ...(signal === undefined ? {} : { signal }) },
      )
      for (const [place, index] of group.entries()) times[index]!.push(...(meta.timesUs[place] ?? []))
    }
  }
  return times
}
