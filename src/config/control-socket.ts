import { join } from 'node:path'
import type { Config } from './schema.js'

/** Where the control socket may lie, best first: the daemon takes the first folder it can write, the command line the first socket it finds. */
export function controlSocketPaths({ runtime_dir, state_dir }: Pick<Config, 'runtime_dir' | 'state_dir'>): readonly string[] {
  return [...new Set([runtime_dir, state_dir])].map(folder => join(folder, 'control.sock'))
}
