import type { EncodedRequest } from '../../samples/request.js'
import type { ServedModel } from './served-model.js'

/** Inferences of each model before timing starts: caches and clocks settle. */
const usualWarmUps = 3

/**
 * Times the models in turn on one request: microseconds of inference alone, `times[k][round]` for model k. Rounds are paired; who begins changes from
 * round to round, so that what follows a neighbour is shared fairly. A session that runs several inferences side by side is asked for that many at once, and
 * the time is divided by their number: what it takes from the device for one. Requests of these models wait between single rounds, not for the whole.
 */
export async function compareSessions(
  models: readonly ServedModel[],
  { request, rounds, warmUps = usualWarmUps }: { readonly request: EncodedRequest; readonly rounds: number; readonly warmUps?: number },
): Promise<number[][]> {
  const feeds = await Promise.all(models.map(async model => (await model.decode(request)).inputs))
  const times: number[][] = models.map(() => [])
  for (let round = -warmUps; round < rounds; round += 1) {
    for (let turn = 0; turn < models.length; turn += 1) {
      const k = (turn + Math.max(0, round)) % models.length
      const model = models[k]!
      const us = await model.queue.exclusive(async () => {
        const { parallel = 1 } = model.session
        const start = performance.now()
        if (parallel === 1) await model.session.infer(feeds[k]!)
        else await Promise.all(Array.from({ length: parallel }, () => model.session.infer(feeds[k]!)))
        return ((performance.now() - start) * 1000) / parallel
      })
      if (round >= 0) times[k]!.push(Math.round(us * 10) / 10)
    }
  }
  return times
}
