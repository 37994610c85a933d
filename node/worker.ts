/**
 * The thread in which the engine lives, in Node.
 * It exists so that callers' event loops stay free, and so that a call can be ended at any moment.
 * It opens and closes no files: it gets descriptors, and they stay open until it has ended.
 */
import { parentPort } from 'node:worker_threads';
import { loadEngine } from '../js/engine/load.js';
import { SplitSink } from '../js/io/split-sink.js';
import { serve } from '../js/worker/server.js';
import { FileSink } from './file-sink.js';
import { FileSource } from './file-source.js';
import { inThisThread, type OutputPlaces } from './open-file.js';
import type { SourceFile } from './opened-files.js';
import { remoteSource } from './url/url-source.js';

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
    openSource: async (file) =>
      'descriptor' in file ? new FileSource(inThisThread(file, 'r')) : remoteSource(file),
    openSink: async (files) => {
      const sinks = files.map((file) => new FileSink(inThisThread(file, 'r+'), file.size));
      const [only, ...others] = sinks;
      return only !== undefined && others.length === 0 ? only : new SplitSink(sinks);
    },
  },
  (reply) => port.postMessage(reply),
);
port.on('message', receive);
