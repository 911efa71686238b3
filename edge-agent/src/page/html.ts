/** Text that is HTML already. */
export interface Html {
  readonly html: string
}

export type Insert = Html | readonly Html[] | string | number | false | null

/** HTML in which everything inserted is escaped, unless it is HTML itself. `false` and `null` insert nothing. */
export const html = (parts: TemplateStringsArray, ...inserts: readonly Insert[]): Html => ({
  html: parts.map((part, index) => (index === 0 ? part : textOf(inserts[index - 1] ?? null) + part)).join(''),
})

const textOf = (insert: Insert): string => {
  if (insert === null || insert === false) return ''
  if (typeof insert === 'string' || typeof insert === 'number') return escaped(String(insert))
  return 'html' in insert ? insert.html : insert.map(one => one.html).join('')
}

const ESCAPES: { readonly [character: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, character => ESCAPES[character] as string)
