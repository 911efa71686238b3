import { validator } from '@nakama/contract'
import type { TSchema } from 'typebox'
import { expect } from 'vitest'

interface OpenApi {
  readonly openapi: string
  readonly paths: {
    readonly [path: string]: {
      readonly [method: string]: {
        readonly responses: {
          readonly [status: string]: { readonly content?: { readonly [type: string]: { readonly schema: TSchema } } }
        }
      }
    }
  }
}

export interface Answer<T> {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

export interface Api {
  readonly document: OpenApi
  /** Asks, and holds the answer against what the description promises for that status: nothing missing, nothing more. */
  ask<T>(path: string, init?: RequestInit): Promise<Answer<T>>
  put<T>(path: string, body: unknown, headers?: { readonly [name: string]: string }): Promise<Answer<T>>
  checkEvent(event: string, data: unknown): void
}

/** Reads `/openapi.json` of a running coordinator. */
export const readApi = async (url: string): Promise<Api> => {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApi

  const schemaOf = (path: string, method: string, status: number): TSchema => {
    const pathname = new URL(path, url).pathname
    const template = Object.keys(document.paths).find(candidate =>
      new RegExp(`^${candidate.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(pathname),
    )
    const responses = document.paths[template ?? '']?.[method]?.responses
    const response = responses?.[status] ?? responses?.[`${Math.floor(status / 100)}XX`]
    const schema = response?.content?.['application/json']?.schema
    if (schema === undefined) throw new Error(`${method} ${path} ${status}: expected a schema, got nothing`)
    return strict(schema) as TSchema
  }

  const ask = async <T>(path: string, init: RequestInit = {}): Promise<Answer<T>> => {
    const response = await fetch(url + path, init)
    const body = (await response.json()) as T
    check(schemaOf(path, (init.method ?? 'GET').toLowerCase(), response.status), body, path)
    return { status: response.status, headers: response.headers, body }
  }

  return {
    document,
    ask,
    put: (path, body, headers = {}) =>
      ask(path, {
        method: 'PUT',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
    checkEvent(event, data) {
      const responses = document.paths['/api/v1/events']?.get?.responses
      const events = responses?.['200']?.content?.['text/event-stream']?.schema as unknown as
        | { properties: { [event: string]: TSchema } }
        | undefined
      const schema = events?.properties[event]
      if (schema === undefined) throw new Error(`event ${event}: expected a schema, got nothing`)
      check(strict(schema) as TSchema, data, event)
    },
  }
}

const check = (schema: TSchema, value: unknown, what: string): void => {
  const checked = validator(schema).check(value)
  expect({ what, problems: checked.ok ? [] : checked.problems }).toEqual({ what, problems: [] })
}

/** The same schema, in which an object has nothing that is not described. */
const strict = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(strict)
  if (typeof schema !== 'object' || schema === null) return schema
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]))
  return 'properties' in schema ? { ...inner, additionalProperties: false } : inner
}
