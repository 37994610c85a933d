/**
 * The thread in which the engine lives, in Node.
 * It exists so that callers' event loops stay free, and so that a call can be ended at any moment.
 * It opens no files but those that it unpacks: it gets descriptors, and they stay open until it has ended.
 */
import { parentPort } from 'node:worker_threads';
import { loadEngine } from '../js/engine/load.js';
import { Zstd } from '../js/engine/zstd.js';
import { SplitSink } from '../js/io/split-sink.js';
import { remoteSource } from '../js/url/url-source.js';
import { RECORD_KEEPING } from '../js/worker/record-keeping.js';
import { serve } from '../js/worker/server.js';
import { FileSink } from './file-sink.js';
import { FileSource } from './file-source.js';
import { appendTo } from './journal-lines.js';
import { inThisThread, type OutputPlaces } from './open-file.js';
import type { SourceFile } from './opened-files.js';
import { ScratchFile } from './scratch-file.js';
import { clientFor } from './url/client.js';

const port = parentPort;
if (port === null)
  throw new Error('This file is the worker of monoquant and does not run by itself.');

const receive = serve<SourceFile, OutputPlaces, undefined>(
  {
    // Reading and writing files do not wait for anything, so one block is enough; it stays in the cache.
    blocks: { slots: 1, blockBytes: 1 << 20 },
    loadEngine: async (chosen) => {
      const { default: factory } = await (chosen.kind === 'mt'
        ? import('../wasm/monoquant-mt.node.mjs')
        : import('../wasm/monoquant-st.node.mjs'));
      return loadEngine(factory, chosen);
    },
    loadZstd: async () => {
      const { default: factory } = await import('../wasm/monoquant-zstd.node.mjs');
      return Zstd.load(factory);
    },
    openScratch: async (bytes) => new ScratchFile(bytes),
    records: { ...RECORD_KEEPING, openJournal: appendTo },
    openSource: async (file) =>
      'descriptor' in file
        ? new FileSource(inThisThread(file, 'r'))
        : remoteSource(file, clientFor),
    openSink: async (files, size) => {
      const [only, ...others] = files;
      if (only !== undefined && others.length === 0) {
        // What is compressed has no size before it is done.
        return new FileSink(inThisThread(only, 'r+'), size);
      }
      return new SplitSink(files.map((file) => new FileSink(inThisThread(file, 'r+'), file.size)));
    },
  },
  (reply) => port.postMessage(reply),
);
port.on('message', receive);
