/**
 * Files that are neither Files nor Blobs: the page reads their bytes for the engine's worker, and answers it through a
 * port for each of them. So a model can come from where the worker has no way to.
 */
import { MonoquantError } from '../../js/api/errors.js';
import { isShards, type OneOrShards } from '../../js/engine/shards.js';
import type { BlockShape, ByteSource } from '../../js/io/byte-source.js';
import { type Failure, fromFailure, toFailure } from '../../js/worker/failure.js';
import type { Request } from '../../js/worker/protocol.js';
import type { ReadableFile } from './blob-types.js';

/** How models are named on the page. */
export type WebSource = Blob | ReadableFile;
export type WebRequest = Request<OneOrShards<WebSource>, string>;

/** How the worker is told of a ReadableFile: with the message that names it comes its port, the one of this index. */
export interface LinkedFile {
  readonly size: number;
  readonly port: number;
}

export type LinkedRequest = Request<OneOrShards<Blob | LinkedFile>, string>;

interface Question {
  readonly id: number;
  /** Undefined: whether it is unchanged. */
  readonly part: { readonly offset: number; readonly length: number } | undefined;
}

interface Reply {
  readonly id: number;
  readonly bytes?: Uint8Array;
  readonly failure?: Failure;
}

export function isReadableFile(value: unknown): value is ReadableFile {
  return (
    typeof value === 'object' &&
    value !== null &&
    'read' in value &&
    'size' in value &&
    'name' in value &&
    typeof value.read === 'function' &&
    typeof value.name === 'string' &&
    Number.isSafeInteger(value.size)
  );
}

/** A request as it is posted, and what is transferred with it. Made anew for each worker that it is posted to. */
export function linked(request: WebRequest): {
  readonly message: LinkedRequest;
  readonly ports: MessagePort[];
} {
  if (request.kind !== 'open' && request.kind !== 'compress') {
    // No other names a file, but for `merge`, which pages do not ask for.
    return { message: request as LinkedRequest, ports: [] };
  }
  const ports: MessagePort[] = [];
  const link = (source: WebSource): Blob | LinkedFile => {
    if (source instanceof Blob) return source;
    const { port1, port2 } = new MessageChannel();
    answer(source, port1);
    return { size: source.size, port: ports.push(port2) - 1 };
  };
  const { source } = request.parameters;
  const told = isShards(source)
    ? { ...source, shards: source.shards.map((each) => ({ ...each, source: link(each.source) })) }
    : link(source);
  const message = { ...request, parameters: { ...request.parameters, source: told } };
  return { message: message as LinkedRequest, ports };
}

function answer(file: ReadableFile, port: MessagePort): void {
  port.onmessage = async ({ data: { id, part } }: MessageEvent<Question>) => {
    try {
      if (part === undefined) {
        await file.checkUnchanged?.();
        port.postMessage({ id } satisfies Reply);
        return;
      }
      const bytes = await file.read(part.offset, part.length);
      if (bytes.length !== part.length) {
        throw new Error(`expected ${part.length} bytes from it, found ${bytes.length}`);
      }
      const own = bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
      port.postMessage({ id, bytes: own } satisfies Reply, [own.buffer]);
    } catch (error) {
      port.postMessage({ id, failure: toFailure(readFailure(file, error)) } satisfies Reply);
    }
  };
}

export function readFailure({ name }: { readonly name: string }, cause: unknown): MonoquantError {
  if (cause instanceof MonoquantError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message = `The file "${name}" could not be read: ${reason.replace(/\.$/, '')}.`;
  return new MonoquantError('read-failed', message, {
    suggestion: 'It may have been changed, moved or removed meanwhile: choose it again.',
    cause,
  });
}

// What follows is the worker's side.

/** What is far away wants more at once. */
const BLOCKS: BlockShape = { slots: 3, blockBytes: 4 << 20 };

/** Of the files that messages brought, until they are opened. */
const ports = new WeakMap<LinkedFile, MessagePort>();

/** Has to be called with each message, before what it asks for is done. */
export function keepPorts({ data, ports: brought }: MessageEvent<LinkedRequest>): void {
  if (data.kind !== 'open' && data.kind !== 'compress') return;
  const { source } = data.parameters;
  for (const each of isShards(source) ? source.shards.map((shard) => shard.source) : [source]) {
    const port = each instanceof Blob ? undefined : brought[each.port];
    if (port !== undefined) ports.set(each as LinkedFile, port);
  }
}

export function linkedSource(file: LinkedFile): ByteSource {
  const port = ports.get(file);
  if (port === undefined) throw new MonoquantError('internal', 'A file came without its port.');
  return new LinkedSource(file.size, port);
}

class LinkedSource implements ByteSource {
  readonly size: number;
  readonly blocks = BLOCKS;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #lastId = 0;

  constructor(size: number, port: MessagePort) {
    this.size = size;
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<Reply>) => {
      this.#waiting.get(data.id)?.(data);
      this.#waiting.delete(data.id);
    };
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (into.length === 0) return;
    const { bytes } = await this.#ask({ offset, length: into.length });
    if (bytes !== undefined) into.set(bytes);
  }

  async checkUnchanged(): Promise<void> {
    await this.#ask(undefined);
  }

  async close(): Promise<void> {
    this.#port.close();
  }

  async #ask(part: Question['part']): Promise<Reply> {
    const id = ++this.#lastId;
    const reply = await new Promise<Reply>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#port.postMessage({ id, part } satisfies Question);
    });
    if (reply.failure !== undefined) throw fromFailure(reply.failure);
    return reply;
  }
}
