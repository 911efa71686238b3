import { html } from 'htm/preact'
import type { MachineView } from '../api/schemas.ts'
import { type Group, keyOf } from './model.ts'
import { Tile } from './tile.ts'
import type { View } from './view.ts'
import { kindName, type Lang } from './words.ts'

export interface MachinesProps {
  readonly lang: Lang
  readonly groups: readonly Group[]
  /** On a wall screen the rows that share its height. */
  readonly rows: number | undefined
  readonly now: number
  readonly onOpen: (machine: MachineView) => void
}

/**
 * The groups follow one another like words in a line, so that no row stays half empty. The kind stands over every tile,
 * because it must be read at any place of a long board; as a heading only over the first of its group.
 */
export const Machines = ({ lang, groups, rows, now, onOpen }: MachinesProps): View => html`
  <div class="groups" style=${{ gridTemplateRows: rows === undefined ? '' : `repeat(${rows}, minmax(0, 1fr))` }}>
    ${groups.map(
      ({ kind, machines }) => html`
        <section key=${kind} class="group" data-group=${kind} aria-label=${kindName(kind, lang)}>
          <ul role="list">
            ${machines.map(
              (machine, i) => html`
                <li key=${keyOf(machine)} class="cell" data-first=${i === 0} data-last=${i === machines.length - 1}>
                  ${
                    i === 0
                      ? html`<h2 class="cell-kind">${kindName(kind, lang)}</h2>`
                      : html`<p class="cell-kind" aria-hidden="true">${kindName(kind, lang)}</p>`
                  }
                  <${Tile} lang=${lang} machine=${machine} now=${now} onOpen=${onOpen} />
                </li>
              `,
            )}
          </ul>
        </section>
      `,
    )}
  </div>
`
