/**
 * A compressed model that was unpacked: a file in the origin's private file system, gone when the model is closed.
 * It exists because one large frame can only be read from its beginning, and a model is read at many places.
 */
import { MonoquantError } from '../../js/api/errors.js';
import type { Scratch, Scratched } from '../../js/engine/unpack.js';
import type { ByteSource } from '../../js/io/byte-source.js';
import { BlobSource } from './blob-source.js';
import { OpfsSink } from './opfs-sink.js';
import { PrivateFileName } from './private-file.js';

export class ScratchBlob implements Scratch<Blob> {
  readonly #name: PrivateFileName;
  readonly #sink: OpfsSink;

  private constructor(name: PrivateFileName, sink: OpfsSink) {
    this.#name = name;
    this.#sink = sink;
  }

  static async open(bytes = 0): Promise<ScratchBlob> {
    await checkRoom(bytes);
    const name = await PrivateFileName.claim();
    try {
      return new ScratchBlob(name, await OpfsSink.open(name.name, bytes));
    } catch (cause) {
      await name.release();
      throw new MonoquantError(
        'write-failed',
        'This browser has no private files here, in which the zstd file could be unpacked.',
        { suggestion: 'Unpack it first with zstd -d, and give the unpacked file.', cause },
      );
    }
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#sink.write(offset, bytes);
  }

  async finish(size: number): Promise<Scratched<Blob>> {
    const blob = await this.#sink.finish(size);
    return { source: new ScratchSource(blob, this.#name), shared: undefined };
  }

  async discard(): Promise<void> {
    await this.#sink.abort();
    await this.#name.release();
  }
}

class ScratchSource extends BlobSource implements ByteSource {
  readonly #name: PrivateFileName;

  constructor(blob: Blob, name: PrivateFileName) {
    super(blob);
    this.#name = name;
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#name.release();
  }
}

async function checkRoom(bytes: number): Promise<void> {
  const { quota, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  if (quota === undefined || quota - usage >= bytes) return;
  throw new MonoquantError(
    'write-failed',
    `Unpacking the zstd file takes ${bytes} bytes, and the browser has room for ${quota - usage}.`,
    { suggestion: 'Unpack it first with zstd -d, and give the unpacked file.' },
  );
}
