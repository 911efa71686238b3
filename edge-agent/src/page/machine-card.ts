import { MACHINE_KINDS, STATES } from '@nakama/contract'
import type { MachineExplanation } from '../machines.ts'
import type { ShownSignal } from '../state/explain.ts'
import { type Html, html } from './html.ts'
import { readWords, sinceWords, valueWords, whyWords } from './machine-words.ts'
import { both } from './words.ts'

/** One machine: its state and why, what will become of it, and what its signals say. */
export const machineCard = (machine: MachineExplanation, now: number): Html => {
  const { id, name, kind, code, since, readAt } = machine
  return html`
    <article class="machine" data-machine="${id}" data-state="${code}">
      <header>
        <h2>${name} <small>${MACHINE_KINDS[kind].ja} <span lang="en">${MACHINE_KINDS[kind].en}</span>・${id}</small></h2>
        <p class="state"><b>${both(STATES[code])}</b>
          <span>${both(sinceWords(since, now))}</span></p>
      </header>
      ${whyWords(machine).map(words => html`<p class="why">${both(words)}</p>`)}
      ${machine.signals.length > 0 && signalTable(id, machine.signals)}
      <p class="read">${both(readWords(readAt, now))}</p>
    </article>`
}

/** Those that decide first. */
const signalTable = (machine: string, signals: readonly ShownSignal[]): Html => html`
  <details id="signals-${machine}"><summary>${both({ ja: `信号 ${signals.length}点`, en: 'signals' })}</summary><table>
    ${signals
      .toSorted((a, b) => Number(b.decides) - Number(a.decides))
      .map(
        signal =>
          html`<tr data-decides="${String(signal.decides)}"><th scope="row">${signal.name}</th><td data-good="${String(signal.value !== null || signal.isHiddenText)}">${valueHtml(signal)}</td></tr>`,
      )}
  </table></details>`

const valueHtml = (signal: ShownSignal): Html => {
  const words = valueWords(signal)
  return typeof words === 'string' ? html`${words}` : both(words)
}
