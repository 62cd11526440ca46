/** Shape of every float value that the graph takes or computes, at one sample. Values of other types are not in it. */
export type Shapes = ReadonlyMap<string, readonly number[]>
