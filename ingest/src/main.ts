import { runService } from '@nakama/service'
import { IngestConfig, ingestSense } from './config.ts'
import { startIngest } from './ingest.ts'

await runService({ room: 'ingest', schema: IngestConfig, sense: ingestSense, start: startIngest })
