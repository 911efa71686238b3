import { html } from 'htm/preact'
import type { KindCount } from './model.ts'
import type { View } from './view.ts'
import { kindName, type Lang, stateName, WORDS } from './words.ts'

export interface SummaryProps {
  readonly lang: Lang
  readonly counts: readonly KindCount[]
  readonly chosen: readonly string[]
  readonly onKind: (kind: string) => void
}

/** Up to here they stand in one line of large figures. */
const FEW_KINDS = 10

/** The answer first: how many machines are free, in all and of each kind. A kind's figure is also its filter. */
export const Summary = ({ lang, counts, chosen, onKind }: SummaryProps): View => {
  const words = WORDS[lang]
  const free = counts.reduce((sum, count) => sum + count.free, 0)
  const total = counts.reduce((sum, count) => sum + count.total, 0)
  return html`
    <section class="summary" data-many=${counts.length > FEW_KINDS} aria-label=${words.freeNow}>
      <p class="hero" data-summary data-free=${free} data-total=${total} data-none=${free === 0}>
        <span class="hero-label">${words.freeNow}</span>
        <span class="hero-figure"><b>${free}</b>${words.machineUnit} <small>${words.ofMachines(total)}</small></span>
      </p>
      <ul class="kinds" aria-label=${words.kinds}>
        ${counts.map(
          count => html`
            <li key=${count.kind}>
              <button
                type="button"
                class="kind"
                data-summary-kind=${count.kind}
                data-free=${count.free}
                data-idle=${count.idle}
                data-total=${count.total}
                data-none=${count.free === 0}
                aria-pressed=${chosen.includes(count.kind)}
                aria-label=${words.freeOfKind(kindName(count.kind, lang), count.free, count.total)}
                onClick=${() => onKind(count.kind)}
              >
                <span class="kind-name">${kindName(count.kind, lang)}</span>
                <span class="kind-figure"><b>${count.free}</b><small>/${count.total}</small></span>
                <${Shares} lang=${lang} count=${count} />
              </button>
            </li>
          `,
        )}
      </ul>
    </section>
  `
}

/** One cell per machine, the free ones filled: a hint of what the rest is doing, not the only place that says it. */
const Shares = ({ lang, count }: { lang: Lang; count: KindCount }): View => {
  const title = count.states.map(({ state, count: n }) => `${stateName(state, lang)} ${n}`).join('・')
  return html`
    <span class="shares" title=${title} aria-hidden="true">
      ${count.free > 0 && html`<i data-state="FREE" style=${{ flexGrow: count.free }}></i>`}
      ${count.states.map(({ state, count: n }) => {
        const grow = state === 'IDLE' ? n - count.free : n
        return grow > 0 && html`<i key=${state} data-state=${state} style=${{ flexGrow: grow }}></i>`
      })}
    </span>
  `
}
