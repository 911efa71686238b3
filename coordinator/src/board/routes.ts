import fastifyStatic from '@fastify/static'
import type { App } from '../api/app.ts'
import type { BoardAssets } from './assets.ts'

const FOR_EVER_S = 365 * 24 * 3600

/** `/`: the board. Everything it loads is below a path that changes with its content. */
export const boardRoutes = async (app: App, { html, modules, publicDir, prefix }: BoardAssets): Promise<void> => {
  const hidden = { schema: { hide: true } }
  const forEver = `public, max-age=${FOR_EVER_S}, immutable`

  app.get('/', hidden, async (_request, reply) =>
    reply.type('text/html; charset=utf-8').header('cache-control', 'no-cache').send(html),
  )
  for (const [path, text] of modules) {
    app.get(prefix + path, hidden, async (_request, reply) =>
      reply.type('text/javascript; charset=utf-8').header('cache-control', forEver).send(text),
    )
  }
  await app.register(fastifyStatic, {
    root: publicDir,
    prefix,
    wildcard: false,
    index: false,
    maxAge: FOR_EVER_S * 1000,
    immutable: true,
    schemaHide: true,
  })
}
