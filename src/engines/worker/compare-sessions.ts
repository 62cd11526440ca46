import type { EncodedRequest } from '../../samples/request.js'
import type { ServedModel } from './served-model.js'

/** Inferences of each model before timing starts: caches and clocks settle. */
const usualWarmUps = 3

/**
 * Times the models in turn on one request: microseconds of inference alone, `times[k][round]` for model k. Rounds are paired; who begins changes from
 * round to round, so that what follows a neighbour is shared fairly. Requests of these models wait between single inferences, not for the whole.
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
        const start = performance.now()
        await model.session.infer(feeds[k]!)
        return (performance.now() - start) * 1000
      })
      if (round >= 0) times[k]!.push(Math.round(us * 10) / 10)
    }
  }
  return times
}
