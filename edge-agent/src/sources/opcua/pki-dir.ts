import { join } from 'node:path'

/** Where an agent keeps its key and certificate for OPC UA, and those of servers. */
export const pkiDirOf = (dataDir: string): string => join(dataDir, 'pki')
