/**
 * A model behind a URL: found and read by the site's network page, which is in a frame for as long as it is open.
 * It exists because the page itself may ask no other host, whatever happens in it.
 */
import { MonoquantError, type ReadableFile } from 'monoquant';
import { commandOf } from './command.js';
import { openFrame } from './frame.js';
import type { FoundModel, NetworkCalls, NetworkReply, NetworkRequest } from './network/protocol.js';
import { isSettled } from './offline.js';
import type { GivenModel } from './open-model.js';

/** How long the service worker is waited for. */
const SETTLED_MS = 30_000;

/** Throws in words; then nothing of it is left. */
export async function openDistantModel(url: string): Promise<GivenModel> {
  // Firefox loses requests of a frame that a service worker takes over.
  await Promise.race([isSettled, new Promise((resolve) => setTimeout(resolve, SETTLED_MS))]);
  const network = await Network.start(url);
  try {
    const found = await network.ask('open', url);
    return { ...modelOf(found, network), path: url, release: () => network.end() };
  } catch (error) {
    network.end();
    throw error;
  }
}

function modelOf({ name, parts, beside }: FoundModel, network: Network) {
  const weights = parts.map(
    (part, file): ReadableFile => ({
      ...part,
      read: (offset, length) => network.ask('read', { file, offset, length }),
      checkUnchanged: async () => void (await network.ask('check', { file })),
    }),
  );
  const files = beside.map((each) => new File([each.content], each.name));
  const config = files.find((file) => file.name === 'config.json');
  const [only, ...others] = [...weights, ...files];
  const source = only !== undefined && others.length === 0 ? only : [...weights, ...files];
  return { name, source, config, beside: files, notOpened: [] };
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

class Network {
  readonly #url: string;
  readonly #frame: HTMLIFrameElement;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  private constructor(url: string, frame: HTMLIFrameElement, port: MessagePort) {
    this.#url = url;
    this.#frame = frame;
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<NetworkReply>) => this.#receive(data);
  }

  static async start(url: string): Promise<Network> {
    const { frame, port } = await openFrame(
      './network/index.html',
      'Reads the model behind the URL',
    );
    return new Network(url, frame, port);
  }

  async ask<Kind extends keyof NetworkCalls>(
    kind: Kind,
    given: NetworkCalls[Kind]['given'],
  ): Promise<NetworkCalls[Kind]['answer']> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
      this.#port.postMessage({ kind, id, given } as NetworkRequest);
    });
  }

  /** Whatever is under way. */
  end(): void {
    this.#frame.remove();
    this.#port.close();
    for (const { reject } of this.#waiting.values()) {
      reject(new MonoquantError('aborted', 'The model was closed.'));
    }
    this.#waiting.clear();
  }

  #receive(reply: NetworkReply): void {
    if (reply.kind === 'ready') return;
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.kind === 'answer') {
      waiting?.resolve(reply.answer);
      return;
    }
    const { code, message, suggestion } = reply.failure;
    const helps = code === 'read-failed' ? this.#otherWays() : suggestion;
    waiting?.reject(new MonoquantError(code, message, { suggestion: helps }));
  }

  #otherWays(): string {
    const command = commandOf({}, { model: this.#url, output: '', calibration: [] });
    return `Download it and choose the file, or use the command, which reads more hosts: ${command}`;
  }
}
