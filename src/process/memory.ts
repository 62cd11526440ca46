/** Resident memory of this process in MiB. */
export const residentMiB = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20)
