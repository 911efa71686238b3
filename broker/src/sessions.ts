import type { Connection } from './connection.ts'
import { type Principal, ROLES, type Role } from './rules.ts'

export interface Session {
  readonly principal: Principal
  readonly connection: Connection
}

export type Claim = 'granted' | 'occupied' | 'closed'

export interface Sessions {
  /**
   * Asks for the place of a principal. Whoever had it is ended first and its will published, so that what the newcomer says
   * comes after; it is most often the half-open remains of the newcomer itself. Not so for ingest: one is active per broker,
   * so a second one is told that the place is `occupied` for as long as the first is alive.
   * `closed`: the newcomer went away while it waited.
   */
  claim(session: Session): Promise<Claim>
  /** Gives the place back, once everything of the connection is over. */
  release(session: Session): void
  count(role: Role): number
}

export const openSessions = (): Sessions => {
  const places = new Map<
    string,
    { readonly session: Session; readonly gone: Promise<void>; readonly leave: () => void }
  >()
  const counts = new Map<Role, number>(ROLES.map(role => [role, 0]))
  const count = (role: Role): number => counts.get(role) as number

  return {
    async claim(session) {
      const { principal, connection } = session
      const { role, username } = principal
      if (role === 'ingest' && count('ingest') > 0) return 'occupied'
      for (let before = places.get(username); before !== undefined; before = places.get(username)) {
        before.session.connection.drop('taken-over')
        await before.gone
      }
      // From here to the end without a pause: otherwise two could take the same place.
      if (connection.closed) return 'closed'
      const { promise: gone, resolve: leave } = Promise.withResolvers<void>()
      places.set(username, { session, gone, leave })
      counts.set(role, count(role) + 1)
      return 'granted'
    },
    release(session) {
      const { role, username } = session.principal
      const place = places.get(username)
      if (place?.session !== session) return
      places.delete(username)
      counts.set(role, count(role) - 1)
      place.leave()
    },
    count,
  }
}
