import { readdirSync, readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import type { Serving } from '../serving/serving.js'
import { freeBytes } from '../store/disk.js'
import type { Journal } from '../store/journal.js'

export interface HealthOptions {
  readonly stateDir: string
  readonly serving: Serving
  readonly journal: Journal
  /** Whatever else the daemon knows of itself, such as its workers. Plain JSON. */
  readonly more?: () => Readonly<Record<string, unknown>>
}

const dayMs = 86_400_000

/** The document of `health` (mqtt-contract.md 4a). Bytes written per day are those since the start, scaled. */
export function healthDocument({ stateDir, serving, journal, more = () => ({}) }: HealthOptions) {
  const uptimeMs = process.uptime() * 1000
  const { bytesWritten, inbox, outbox, durable, remembered } = journal.figures()
  const { requestsPerSecond, p50Ms, p99Ms, queued, inFlight, received, answered, refused, expired, expiredLate } = serving.figures()
  return {
    uptime_s: Math.round(uptimeMs / 1000),
    load: loadavg().map(value => round(value, 2)),
    rss_mib: { daemon: Math.round(process.memoryUsage.rss() / 2 ** 20) },
    temperature_c: temperature(),
    disk_free_mib: diskFreeMiB(stateDir),
    queue: { waiting: queued, in_flight: inFlight },
    requests: { received, answered, refused, expired, expired_late: expiredLate, per_second: round(requestsPerSecond, 1) },
    latency_ms: { p50: round(p50Ms, 2), p99: round(p99Ms, 2) },
    journal: {
      inbox,
      outbox,
      remembered,
      durable,
      bytes_written: bytesWritten,
      bytes_per_day: Math.round((bytesWritten * dayMs) / uptimeMs),
    },
    ...more(),
  }
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

function diskFreeMiB(path: string): number | null {
  try {
    return Math.floor(freeBytes(path) / 2 ** 20)
  } catch {
    // The folder's disk is gone: other figures are still worth telling.
    return null
  }
}

/** The hottest thermal zone, degrees Celsius; null where the kernel shows none. */
function temperature(): number | null {
  const folder = '/sys/class/thermal'
  const values = zonesOf(folder).map(zone => celsius(`${folder}/${zone}/temp`))
  const known = values.filter(value => value !== undefined)
  return known.length === 0 ? null : Math.max(...known)
}

function zonesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter(name => name.startsWith('thermal_zone'))
  } catch {
    return [] // a kernel without thermal zones
  }
}

function celsius(file: string): number | undefined {
  try {
    const value = Number(readFileSync(file, 'utf8')) / 1000
    return Number.isFinite(value) ? value : undefined
  } catch {
    return undefined // a sensor that sleeps (ENODATA): the others are still worth telling
  }
}
