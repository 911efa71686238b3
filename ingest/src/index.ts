export { IngestConfig, ingestSense } from './config.ts'
export { startIngest } from './ingest.ts'
