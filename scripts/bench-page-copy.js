// The worker that copies a File into a private file without any engine: what a page at least has to do.
// Why: a page's speed means something only beside what its browser can do with the same bytes.
// Always: takes { file, way, share }, answers { bytes } or { error }; `share` is how much of each block is written.

const BLOCK = 8 << 20;

/** Each hands the file's bytes to `write`, front to back. */
const WAYS = {
  /** One stream, straight into the memory that is written from. */
  async byob(file, write) {
    const reader = file.stream().getReader({ mode: 'byob' });
    // Chromium collects a reader of this kind as garbage while it waits, unless something global holds it.
    self.reader = reader;
    let block = new ArrayBuffer(BLOCK);
    let filled = 0;
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(block, filled));
      block = value.buffer;
      filled += value.length;
      if (done || filled === BLOCK) {
        write(new Uint8Array(block, 0, filled));
        filled = 0;
      }
      if (done) return;
    }
  },
  async stream(file, write) {
    const reader = file.stream().getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      write(value);
    }
  },
  async slices(file, write) {
    for (let at = 0; at < file.size; at += BLOCK) {
      write(new Uint8Array(await file.slice(at, at + BLOCK).arrayBuffer()));
    }
  },
};

async function copy({ file, way, share }) {
  const folder = await navigator.storage.getDirectory();
  const place = await folder.getFileHandle('copy', { create: true });
  const target = await place.createSyncAccessHandle();
  let at = 0;
  let bytesRead = 0;
  try {
    await WAYS[way](file, (bytes) => {
      const part = bytes.subarray(0, Math.round(bytes.length * share));
      const count = target.write(part, { at });
      if (count !== part.length) throw new Error(`wrote ${count} of ${part.length} bytes`);
      at += count;
      bytesRead += bytes.length;
    });
    if (bytesRead !== file.size) throw new Error(`read ${bytesRead} of ${file.size} bytes`);
    target.flush();
    return at;
  } finally {
    target.close();
  }
}

self.addEventListener('message', ({ data }) => {
  copy(data).then(
    (bytes) => self.postMessage({ bytes }),
    (error) => self.postMessage({ error: String(error) }),
  );
});
