import type { MachineKind } from '@nakama/contract'
import { html } from 'htm/preact'
import { StateIcon } from './icons.ts'
import { type Area, type Filter, isFiltered, NO_FILTER, STATE_CHOICES, toggled } from './model.ts'
import type { View } from './view.ts'
import type { WallPage } from './wall-page.ts'
import { kindName, type Lang, named, stateName, WORDS } from './words.ts'

export interface FiltersProps {
  readonly lang: Lang
  readonly filter: Filter
  readonly areas: readonly Area[]
  /** Machines that fit. */
  readonly matching: number
  readonly wall: WallPage | undefined
  readonly onFilter: (filter: Filter) => void
}

/** Areas and states; kinds are chosen at their figures above. On a wall screen only what is left out, for nobody can press there. */
export const Filters = ({ lang, filter, areas, matching, wall, onFilter }: FiltersProps): View => {
  const words = WORDS[lang]
  if (wall !== undefined) return html`<${WallNote} lang=${lang} filter=${filter} areas=${areas} wall=${wall} />`
  return html`
    <nav class="filters" aria-label=${words.filters}>
      <div class="chips" role="group" aria-label=${words.areas}>
        <span class="chips-label" aria-hidden="true">${words.areas}</span>
        ${areas.map(
          ({ area, areaEn }) => html`
            <button
              key=${area}
              type="button"
              class="chip"
              data-filter-area=${area}
              aria-pressed=${filter.areas.includes(area)}
              onClick=${() => onFilter({ ...filter, areas: toggled(filter.areas, area) })}
            >
              ${named(area, areaEn, lang)}
            </button>
          `,
        )}
      </div>
      <div class="chips" role="group" aria-label=${words.states}>
        <span class="chips-label" aria-hidden="true">${words.states}</span>
        ${STATE_CHOICES.map(
          state => html`
            <button
              key=${state}
              type="button"
              class="chip"
              data-filter-state=${state}
              aria-pressed=${filter.states.includes(state)}
              onClick=${() => onFilter({ ...filter, states: toggled(filter.states, state) })}
            >
              <${StateIcon} state=${state === 'FREE' ? 'IDLE' : state} free=${state === 'FREE'} />
              ${state === 'IDLE' ? words.idleResting : stateName(state, lang)}
            </button>
          `,
        )}
      </div>
      ${
        isFiltered(filter) &&
        html`
          <p class="matching">
            <b role="status">${words.matching(matching)}</b>
            <button type="button" class="clear" aria-label=${words.clearFilters} onClick=${() => onFilter(NO_FILTER)}>
              ${words.clear}
            </button>
          </p>
        `
      }
    </nav>
  `
}

interface WallNoteProps {
  readonly lang: Lang
  readonly filter: Filter
  readonly areas: readonly Area[]
  readonly wall: WallPage
}

const WallNote = ({ lang, filter, areas, wall: { page, pages, freeOnly } }: WallNoteProps): View => {
  if (!isFiltered(filter) && pages === 1) return null
  const chosen = [
    ...filter.kinds.map(kind => kindName(kind as MachineKind, lang)),
    ...areas.filter(({ area }) => filter.areas.includes(area)).map(({ area, areaEn }) => named(area, areaEn, lang)),
    ...filter.states.map(state => stateName(state, lang)),
  ]
  return html`
    <p class="wall-note">
      ${chosen.map(name => html`<span key=${name}>${name}</span>`)}
      ${freeOnly && html`<span>${WORDS[lang].freeOnly}</span>`}
      ${pages > 1 && html`<b>${page + 1} / ${pages}</b>`}
    </p>
  `
}
