/** Whether a device id fits a pattern, in which `*` stands for any characters. */
export function matchesDevice(pattern: string, id: string): boolean {
  const parts = pattern.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(id)
}
