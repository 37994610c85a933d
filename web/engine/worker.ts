/**
 * The worker in which the engine lives, in browsers.
 * It exists so that the page stays alive, and because private files are quick only in workers.
 * Falls back to the engine without threads wherever the other one does not come up.
 */
import type { EngineInfo } from '../../js/api/types.js';
import type { Engine } from '../../js/engine/engine.js';
import { loadEngine } from '../../js/engine/load.js';
import { Zstd } from '../../js/engine/zstd.js';
import type { ByteSink } from '../../js/io/byte-sink.js';
import { serve } from '../../js/worker/server.js';
// All of them, and not only when they are wanted: bundlers cannot cut a worker of the classic kind into pieces.
import threaded from '../wasm/monoquant-mt.mjs';
import single from '../wasm/monoquant-st.mjs';
import zstd from '../wasm/monoquant-zstd.mjs';
import { BlobSource } from './blob-source.js';
import { MemorySink } from './memory-sink.js';
import { OpfsSink } from './opfs-sink.js';
import { keepPorts, type LinkedFile, type LinkedRequest, linkedSource } from './readable-file.js';
import { ScratchBlob } from './scratch-blob.js';
import { canShareMemory } from './threads.js';

/** Larger outputs go to a private file. */
const SMALL_BYTES = 64 << 20;
/** Larger outputs need one. */
const LARGEST_IN_MEMORY = 512 << 20;

const receive = serve<Blob | LinkedFile, string, Blob>(
  {
    // Bytes of a Blob and sizes of a private file come from another process, which small blocks make slow.
    blocks: { slots: 4, blockBytes: 8 << 20 },
    loadEngine: loadBest,
    loadZstd: () => Zstd.load(zstd),
    openScratch: (bytes) => ScratchBlob.open(bytes),
    openSource: async (file) => (file instanceof Blob ? new BlobSource(file) : linkedSource(file)),
    openSink,
  },
  (reply) => self.postMessage(reply),
);
self.addEventListener('message', (event: MessageEvent<LinkedRequest>) => {
  keepPorts(event);
  receive(event.data);
});

async function loadBest(chosen: EngineInfo): Promise<Engine> {
  if (chosen.kind === 'mt' && canShareMemory()) {
    try {
      return await loadEngine(threaded, chosen, startThread);
    } catch {
      // The other one does the same.
    }
  }
  return loadEngine(single, { kind: 'st', threads: 1 });
}

/** The glue knows from the name that it is to be a thread. */
function startThread(): Worker {
  return new Worker(new URL('./thread.js', import.meta.url), {
    type: 'module',
    name: 'em-pthread',
  });
}

async function openSink(name: string, size: number): Promise<ByteSink<Blob>> {
  if (size <= SMALL_BYTES) return new MemorySink(size);
  try {
    return await OpfsSink.open(name, size);
  } catch (error) {
    if (size > LARGEST_IN_MEMORY) throw error;
    return new MemorySink(size);
  }
}
