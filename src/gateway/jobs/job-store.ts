import type { StateStore } from '../store/state-store.js'
import { isTerminal, type Job } from './job.js'

/** Jobs in state.db, oldest first. What is here survives the daemon; the runner keeps a copy in memory. */
export class JobStore {
  readonly #store: StateStore

  constructor(store: StateStore) {
    this.#store = store
  }

  /** @throws ERR_STORE_FULL, ERR_STORE_WRITE */
  insert(job: Job): void {
    const statement = this.#store.database.prepare(
      `INSERT INTO jobs (id, sequence, model, state, record) VALUES (?, (SELECT coalesce(max(sequence), 0) + 1 FROM jobs), ?, ?, ?)`,
    )
    this.#store.transaction(() => statement.run(job.job_id, job.model, job.state, JSON.stringify(job)))
  }

  /** @throws ERR_STORE_FULL, ERR_STORE_WRITE */
  update(job: Job): void {
    const statement = this.#store.database.prepare('UPDATE jobs SET state = ?, record = ? WHERE id = ?')
    this.#store.transaction(() => statement.run(job.state, JSON.stringify(job), job.job_id))
  }

  list(): Job[] {
    const rows = this.#store.database.prepare<[], { record: string }>('SELECT record FROM jobs ORDER BY sequence').all()
    // Written by `insert` and `update` alone.
    return rows.map(({ record }) => JSON.parse(record) as Job)
  }

  /** Deletes all but the last `keep` finished jobs. @returns the ids that went */
  prune(keep: number): readonly string[] {
    const finished = this.list().filter(({ state }) => isTerminal(state))
    const gone = finished.slice(0, Math.max(0, finished.length - keep)).map(job => job.job_id)
    const remove = this.#store.database.prepare('DELETE FROM jobs WHERE id = ?')
    this.#store.transaction(() => {
      for (const id of gone) remove.run(id)
    })
    return gone
  }
}
