import { html } from 'htm/preact'
import { useMemo } from 'preact/hooks'
import type { MachineView } from '../api/schemas.ts'
import { type Group, keyOf } from './model.ts'
import { Tile } from './tile.ts'
import type { View } from './view.ts'
import { kindName, type Lang } from './words.ts'

export interface MachinesProps {
  readonly lang: Lang
  readonly groups: readonly Group[]
  /** On a wall screen the grid that fills it. */
  readonly grid: { readonly columns: number; readonly rows: number } | undefined
  readonly now: number
  readonly onOpen: (machine: MachineView) => void
}

/**
 * The groups follow one another like words in a line, so that no row stays half empty. The kind stands over every tile,
 * because it must be read at any place of a long board; as a heading only over the first of its group.
 */
export const Machines = ({ lang, groups, grid, now, onOpen }: MachinesProps): View => {
  const cell = useCells(lang, now, onOpen)
  return html`
    <div class="groups" style=${gridStyle(grid)}>
      ${groups.map(
        ({ kind, machines }) => html`
          <section key=${kind} class="group" data-group=${kind} aria-label=${kindName(kind, lang)}>
            <ul role="list">
              ${machines.map((machine, i) => cell(machine, i === 0, i === machines.length - 1))}
            </ul>
          </section>
        `,
      )}
    </div>
  `
}

type Cell = (machine: MachineView, first: boolean, last: boolean) => View

/** Cells as they were drawn before, where nothing that they show is different: Preact passes over what is the same object. */
const useCells = (lang: Lang, now: number, onOpen: MachinesProps['onOpen']): Cell =>
  useMemo(() => {
    const drawn = new WeakMap<MachineView, { first: boolean; last: boolean; view: View }>()
    return (machine, first, last) => {
      const before = drawn.get(machine)
      if (before !== undefined && before.first === first && before.last === last) return before.view
      const kind = kindName(machine.kind, lang)
      const view = html`
        <li key=${keyOf(machine)} class="cell" data-first=${first} data-last=${last}>
          ${first ? html`<h2 class="cell-kind">${kind}</h2>` : html`<p class="cell-kind" aria-hidden="true">${kind}</p>`}
          <${Tile} lang=${lang} machine=${machine} now=${now} onOpen=${onOpen} />
        </li>
      `
      drawn.set(machine, { first, last, view })
      return view
    }
  }, [lang, now, onOpen])

const gridStyle = (grid: MachinesProps['grid']): { gridTemplate: string } => ({
  gridTemplate:
    grid === undefined ? '' : `repeat(${grid.rows}, minmax(0, 1fr)) / repeat(${grid.columns}, minmax(0, 1fr))`,
})
