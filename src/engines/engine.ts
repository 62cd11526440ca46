import type { Graph } from '../graph/graph.js'
import type { Node } from '../graph/node.js'
import type { DType } from '../graph/tensor/dtype.js'
import type { TensorSpec } from '../graph/tensor/spec.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import type { Device } from '../hardware/device.js'

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** A folder for what engines compiled. It may be deleted at any time, and never grows beyond its limit. */
export interface CompiledCacheOptions {
  readonly folder: string
  /** What was used least recently makes room. */
  readonly maxMiB: number
}

export interface OpenOptions {
  /** Threads that the session computes with, at least 1: all for one inference, or with the throughput hint shared among those that run side by side. */
  readonly threads: number
  /** Optimizer level; 'all' serves, 'disabled' is the plain reference. Engines without levels ignore it. */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'all'
  /** Where the engine writes the graph as it will run it, if it can: the oracle of what is integer. */
  readonly optimizedPath?: string
  /** Let threads spin while idle (faster, burns a core). Default false. */
  readonly spinning?: boolean
  /**
   * 'fast' (default) keeps an arena between inferences; 'lean' gives memory back after each, for calibration over large intermediate tensors.
   * Engines without a choice ignore it.
   */
  readonly memory?: 'fast' | 'lean'
  /** Device of an engine that has several: CPU, GPU, NPU of OpenVINO. Default CPU. */
  readonly device?: string
  /** Type in which a float model is computed, where the engine has a choice; int8 layers are not touched. Default float32. */
  readonly precision?: 'float32' | 'bfloat16' | 'float16'
  /** One inference as fast as it can be, or as many a second: then `Session.parallel` tells how many run side by side. Engines without a choice ignore it. Default latency. */
  readonly hint?: 'latency' | 'throughput'
  /** Where the engine keeps what it compiled, if it can: the next `open` is faster. */
  readonly cache?: CompiledCacheOptions
  /** Keep what each node took and by which kernel. Default false: it costs time. */
  readonly profile?: boolean
}

/** One node of the graph that an engine made of a model. */
export interface ExecutedNode {
  /** As the engine calls it: names of the model, with what its transformations put behind them. */
  readonly nodeName: string
  readonly nodeType: string
  /** Kernel with its precision behind the last underscore: brgconv_avx512_amx_I8. */
  readonly execType: string
  readonly realUs: number
  /** False for what was left out or runs inside of another node. */
  readonly ran: boolean
}

/** A model loaded on an engine. Not re-entrant unless `parallel` says so: callers queue. */
export interface Session {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  /** Inferences that run side by side; each answers as it would alone. Absent = 1. */
  readonly parallel?: number
  /** Runs one batch; `wanted` limits the outputs. @throws ERR_ENGINE_INFER with the engine's own text; ERR_ENGINE_FEED for missing or mistyped inputs */
  infer(feeds: Readonly<Record<string, Tensor>>, wanted?: readonly string[]): Promise<Readonly<Record<string, Tensor>>>
  /** What each node took in the last inference and by which kernel; of sessions opened with `profile`, on engines that can tell. */
  profile?(): readonly ExecutedNode[]
  /** Takes the memory of an answer back for the next ones. Who calls it reads that answer no more; nobody has to. */
  recycle?(outputs: Readonly<Record<string, Tensor>>): void
  close(): Promise<void>
}

/** What one operator of a graph takes, as the engine runs it: microseconds of its kernel alone. */
export interface OperatorTime {
  /** Of the node in the optimized graph. */
  readonly name: string
  readonly opType: string
  readonly us: number
}

export interface ProfileOptions {
  /** Those that a model does not take are left out. */
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly threads: number
  /** Runs that count, of each model. */
  readonly runs: number
}

export interface Profile {
  readonly operators: readonly OperatorTime[]
  /** The graph that was run. */
  readonly optimized: Graph
}

/** Who runs a model. Native bindings load inside `open`, so that a catalog of engines pulls in no driver. */
export interface Engine {
  readonly name: string
  serves(device: Device): Verdict
  supports(node: Node): Verdict
  /** @param artifact path of a model file, or its bytes. @throws ERR_ENGINE_OPEN with the engine's own text */
  open(artifact: string | Uint8Array, options: OpenOptions): Promise<Session>
  version(): string
  /** Loads the native library ahead of the first `open`, once in a process; absent where there is none. */
  readonly load?: () => Promise<void>
  /** What each operator of several models takes, the models run in turn; absent where the engine cannot tell. @throws ERR_ENGINE_OPEN, ERR_ENGINE_INFER */
  readonly profile?: (artifacts: readonly Uint8Array[], options: ProfileOptions) => Promise<readonly Profile[]>
}

export type { DType, TensorSpec }
