export * from './embedded/open-reader.ts'
export * from './embedded/open-store.ts'
export * from './store.ts'
