import type { IncomingMessage } from 'node:http'

/** No form of ours is longer. */
export const FORM_MAX_BYTES = 1_024

/** Undefined when it is longer than a form of ours can be; the connection is left open for an answer that says so. */
export const readForm = async (request: IncomingMessage): Promise<URLSearchParams | undefined> => {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    bytes += part.length
    if (bytes > FORM_MAX_BYTES) return undefined
    parts.push(part)
  }
  return new URLSearchParams(Buffer.concat(parts).toString('utf8'))
}
