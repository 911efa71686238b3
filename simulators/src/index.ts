// Nothing here loads a protocol library: who only asks for a register map pays for nothing else.
export * from './catalogue.ts'
export * from './config.ts'
export * from './control-types.ts'
export * from './truth.ts'
