import type { Session } from '../../engines/engine.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Clock } from '../../time.js'

export interface TimeSessionsOptions {
  readonly float: Session
  readonly int8: Session
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly clock: Pick<Clock, 'now'>
  /** Milliseconds that both together may take, warm-up apart; rounds stay between `fewestRounds` and `mostRounds`. */
  readonly budgetMs: number
}

const warmUpRounds = 10
const fewestRounds = 20
const mostRounds = 400

/** Runs float and int8 in turn on one input, the order swapped every round so that neither profits from its place. Microseconds, `[float, int8]`, paired. */
export async function timeSessions({ float, int8, inputs, clock, budgetMs }: TimeSessionsOptions): Promise<[number[], number[]]> {
  const timed = async (session: Session) => {
    const start = clock.now()
    await session.infer(inputs)
    return (clock.now() - start) * 1000
  }
  const start = clock.now()
  for (let round = 0; round < warmUpRounds && (round < 2 || clock.now() - start < budgetMs / 4); round += 1) {
    await timed(float)
    await timed(int8)
  }
  const times: [number[], number[]] = [[], []]
  const since = clock.now()
  for (let round = 0; round < mostRounds && (round < fewestRounds || clock.now() - since < budgetMs); round += 1) {
    const order = round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)
    for (const which of order) times[which].push(await timed(which === 0 ? float : int8))
  }
  return times
}
