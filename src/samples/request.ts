/** Encodings of an inference request and its answer (mqtt-contract.md 4b). */
export const contentTypes = {
  json: 'application/json',
  oip: 'application/vnd.oip.v2+octet-stream',
  raw: 'application/octet-stream',
  jpeg: 'image/jpeg',
  png: 'image/png',
} as const
export type ContentType = (typeof contentTypes)[keyof typeof contentTypes]

/** The bytes of a request as they came over the wire: what is captured, and what the device worker decodes. */
export interface EncodedRequest {
  readonly contentType: ContentType
  /** Size of the JSON header of `oip`; absent otherwise. */
  readonly jsonLength?: number
  readonly body: Uint8Array
}

/** The bytes of an answer. JSON unless the request asked for `binary_data_output`. */
export interface EncodedResponse {
  readonly contentType: ContentType
  readonly jsonLength?: number
  readonly body: Uint8Array
}
