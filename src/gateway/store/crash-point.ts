/**
 * A named step between two states of the disk. Does nothing, unless `QUANTD_CRASH_AT` names it: then the process dies there as by power cut
 * (SIGKILL to itself), so that tests reach every step deterministically.
 */
export function crashPoint(name: string): void {
  if (process.env.QUANTD_CRASH_AT === name) process.kill(process.pid, 'SIGKILL')
}
