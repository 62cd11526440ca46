import { spawn } from 'node:child_process'

export interface ProbeChildOptions {
  /** Entry file of the probe process. */
  readonly entry: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly env?: NodeJS.ProcessEnv
  readonly args?: readonly string[]
}

/** What a probe process left: what it printed counts even if it crashed afterwards. */
export interface ProbeAnswer {
  readonly stdout: string
  readonly stderr: string
  /** How it ended, where that was not status 0 by itself: 'was ended by SIGSEGV'. */
  readonly end: string | undefined
}

/** Runs a probe in a process of its own, since a driver may hang or take the process down; never throws for what one does. */
export function runProbe({ entry, timeoutMs, signal, env = process.env, args = [] }: ProbeChildOptions): Promise<ProbeAnswer> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [entry, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    let end: string | undefined
    const stop = (why: string) => {
      end ??= why
      child.kill('SIGKILL')
    }
    const timer = setTimeout(() => stop(`did not answer within ${timeoutMs} ms`), timeoutMs)
    const abort = () => stop('was stopped')
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort, { once: true })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < 1 << 20) stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < 1 << 16) stderr += text
    })
    child.on('error', error => {
      end ??= `could not be started (${error.message})`
    })
    child.on('close', (code, killedBy) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      if (killedBy !== null) end ??= `was ended by ${killedBy}`
      else if (code !== 0) end ??= `ended with status ${code}`
      resolve({ stdout, stderr, end })
    })
  })
}
