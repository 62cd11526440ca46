import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorMessage, QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import { Report } from '../../quantization/report/report.js'
import type { Bundle } from '../../samples/bundle.js'
import { Artifacts, hashBytes, hashFile } from '../store/artifacts.js'
import { BundleStore } from './bundle-store.js'
import type { StoredModel, StoredVersion } from './stored-model.js'

const log = logger('gateway/models')

/** A file that is on the disk, and will be deleted by the next collection unless the database names it when `settled` is called. */
export interface Arriving {
  readonly hash: string
  settled(): void
}

/** The files of models: bundles with the float model, artifacts with the models that were made here and reports. What neither the database nor an arrival names is deleted. */
export class VersionFiles {
  readonly #artifacts: Artifacts
  readonly #bundles: BundleStore
  readonly #arriving = new Map<string, number>()

  constructor(stateFolder: string) {
    this.#artifacts = new Artifacts(stateFolder)
    this.#bundles = new BundleStore(stateFolder)
  }

  bundlePath({ bundle }: StoredModel): string {
    return this.#bundles.path(bundle)
  }

  modelPath(model: StoredModel, version: StoredVersion): string {
    return isOfBundle(model, version) ? join(this.bundlePath(model), model.file) : this.#artifacts.path(version.artifact)
  }

  reportPath({ report }: StoredVersion): string | undefined {
    return report === undefined ? undefined : this.#artifacts.path(report)
  }

  /** Path of the version's model file, its content checked. @throws ERR_STORE_ARTIFACT */
  async verified(model: StoredModel, version: StoredVersion): Promise<string> {
    if (!isOfBundle(model, version)) return this.#artifacts.verify(version.artifact)
    const path = this.modelPath(model, version)
    const found = await hashFile(path).catch((error: unknown) => {
      throw new QuantdError('ERR_STORE_ARTIFACT', `model file '${path}': ${errorMessage(error)}`, { details: { path }, cause: error })
    })
    if (found === version.artifact) return path
    throw new QuantdError('ERR_STORE_ARTIFACT', `model file '${path}' is damaged: load the bundle again`, { details: { path } })
  }

  /** @throws ERR_BUNDLE_* */
  readBundle(path: string, name: string | undefined): Promise<Bundle> {
    return this.#bundles.read(path, name)
  }

  /** @throws ERR_STORE_FULL */
  async putBundle(bundle: Bundle): Promise<Arriving> {
    return this.#arrive(bundle.hash, () => this.#bundles.keep(bundle))
  }

  /** @throws ERR_STORE_FULL */
  async putModel(path: string): Promise<Arriving> {
    return this.#arrive(await hashFile(path), () => this.#artifacts.putFile(path))
  }

  /** @throws ERR_STORE_FULL */
  async putReport(report: Report): Promise<Arriving> {
    const bytes = Buffer.from(`${JSON.stringify(report, undefined, 2)}\n`)
    return this.#arrive(hashBytes(bytes), () => this.#artifacts.putBytes(bytes))
  }

  /** The report of that hash with another judgement, as a new file. */
  async putJudgedReport(hash: string, judged: Pick<Report, 'judgement' | 'choice'>): Promise<Arriving> {
    return this.putReport({ ...(await readReport(this.#artifacts.path(hash))), ...judged })
  }

  /**
   * Deletes what `models` do not refer to; a failure is logged, the next collection tries again. 'all' also takes what a crash left half done, so only
   * while nothing else runs.
   */
  async collect(models: readonly StoredModel[], what: 'all' | 'unreferenced'): Promise<void> {
    const stored = models.flatMap(model => model.versions.filter(version => !isOfBundle(model, version)))
    const arriving = [...this.#arriving.keys()]
    try {
      await this.#artifacts.collect(new Set([...stored.flatMap(({ artifact, report }) => [artifact, report ?? artifact]), ...arriving]))
      await this.#bundles.collect(new Set([...models.map(({ bundle }) => bundle), ...arriving]), what)
    } catch (error) {
      log.warn({ error: errorMessage(error) }, 'unused files not deleted')
    }
  }

  async #arrive(hash: string, put: () => Promise<unknown>): Promise<Arriving> {
    this.#arriving.set(hash, (this.#arriving.get(hash) ?? 0) + 1)
    const settled = () => {
      const count = (this.#arriving.get(hash) ?? 1) - 1
      if (count > 0) this.#arriving.set(hash, count)
      else this.#arriving.delete(hash)
    }
    try {
      await put()
      return { hash, settled }
    } catch (error) {
      settled()
      throw error
    }
  }
}

/** Float as the bundle has it lies there; all else was made here. */
const isOfBundle = ({ versions }: StoredModel, { kind, artifact }: StoredVersion): boolean =>
  kind === 'float' && versions.some(({ version, artifact: bundled }) => version === '1' && bundled === artifact)

/** @throws ZodError for what is no report */
export async function readReport(path: string): Promise<Report> {
  return Report.parse(JSON.parse(await readFile(path, 'utf8')))
}
