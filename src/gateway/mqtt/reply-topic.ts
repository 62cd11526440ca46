/** MQTT allows 65,535; replies to our callers never need more than this. */
const maxBytes = 256

/**
 * Why a response topic is refused, or undefined when the caller may have replies there. The gateway may publish below all reply prefixes, so it must not lend that
 * right: only a topic under a prefix with the caller's own name is taken (the confused deputy, mqtt-contract.md 4c.8).
 *
 * @param prefixes such as `quantd-reply/{caller}/`
 */
export function refuseReplyTopic(
  topic: string,
  { caller, prefixes }: { readonly caller: string; readonly prefixes: readonly string[] },
): string | undefined {
  if (Buffer.byteLength(topic) > maxBytes) return `longer than ${maxBytes} bytes`
  // Brokers end the connection of who publishes these, and would do so again at each attempt to send the reply.
  if (/[+#\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(topic)) return 'a wildcard, or a character that MQTT forbids, in it'
  if (topic.includes('�')) return 'not valid UTF-8'
  if (topic.startsWith('$')) return 'a topic of the broker'
  const allowed = prefixes.map(prefix => prefix.replaceAll('{caller}', caller))
  if (!allowed.some(prefix => topic.startsWith(prefix) && topic.length > prefix.length)) return `not below ${allowed.join(' or ')}`
  return undefined
}
