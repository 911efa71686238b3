import { later } from './helpers.ts'

export interface StreamEvent {
  readonly event: string
  readonly data: unknown
}

export interface Stream {
  readonly status: number
  readonly headers: Headers
  readonly events: StreamEvent[]
  /** True once the server or we ended it. */
  readonly ended: () => boolean
  close(): void
}

/** Reads server-sent events as a browser does: fields by line, an event by blank line, comments left out. */
export const openStream = async (url: string): Promise<Stream> => {
  const abort = new AbortController()
  later(async () => abort.abort())
  const response = await fetch(`${url}/api/v1/events`, { signal: abort.signal })
  const events: StreamEvent[] = []
  let ended = false
  const read = async (): Promise<void> => {
    let buffered = ''
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      buffered += decoder.decode(chunk, { stream: true })
      const blocks = buffered.split('\n\n')
      buffered = blocks.pop() ?? ''
      for (const block of blocks) {
        const field = (name: string): string | undefined =>
          block
            .split('\n')
            .find(line => line.startsWith(`${name}: `))
            ?.slice(name.length + 2)
        const data = field('data')
        if (data !== undefined) events.push({ event: field('event') ?? 'message', data: JSON.parse(data) })
      }
    }
  }
  void read()
    .catch(() => {})
    .finally(() => {
      ended = true
    })
  return {
    status: response.status,
    headers: response.headers,
    events,
    ended: () => ended,
    close: () => abort.abort(),
  }
}
