import { join } from 'node:path'
import { openEmbeddedReader, openEmbeddedStore, type StoreReader } from '../src/index.ts'
import { describeStoreContract } from './contract.ts'
import { temporaryFolder } from './support.ts'

describeStoreContract('the embedded store', async () => {
  const folder = temporaryFolder()
  const file = join(folder.path, 'deeper', 'store.db')
  const open = () => openEmbeddedStore({ file, commitDelayMs: 0 })
  const store = await open()
  const opened: StoreReader[] = [store]
  const remember = async <T extends StoreReader>(opening: Promise<T>): Promise<T> => {
    const each = await opening
    opened.push(each)
    return each
  }
  return {
    store,
    reopen: () => remember(open()),
    reader: () => remember(openEmbeddedReader({ file })),
    async cleanup() {
      await Promise.all(opened.map(each => each.close()))
      folder.remove()
    },
  }
})
