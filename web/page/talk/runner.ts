/**
 * The page's side of the frame that runs language models.
 */
import { type Framed, openFrame } from '../frame.js';
import { isSettled } from '../offline.js';
import type { TalkCalls, TalkReply, TalkRequest } from './protocol.js';

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onText: ((text: string) => void) | undefined;
}

/** How long the service worker is waited for: Firefox loses requests of a frame that one takes over. */
const SETTLED_MS = 30_000;

export class Runner {
  readonly #framed: Framed;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  private constructor(framed: Framed) {
    this.#framed = framed;
    framed.port.onmessage = ({ data }: MessageEvent<TalkReply>) => this.#receive(data);
  }

  static async start(): Promise<Runner> {
    await Promise.race([isSettled, new Promise((resolve) => setTimeout(resolve, SETTLED_MS))]);
    return new Runner(await openFrame('./talk/index.html', 'Runs the language model'));
  }

  ask<Kind extends keyof TalkCalls>(
    kind: Kind,
    given: TalkCalls[Kind]['given'],
    onText?: (text: string) => void,
  ): Promise<TalkCalls[Kind]['answer']> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject, onText });
      this.#framed.port.postMessage({ kind, id, given } as TalkRequest);
    });
  }

  /** Whatever is under way; its models go with it. */
  end(): void {
    this.#framed.frame.remove();
    this.#framed.port.close();
    for (const { reject } of this.#waiting.values()) reject(new Error('It was ended.'));
    this.#waiting.clear();
  }

  #receive(reply: TalkReply): void {
    if (reply.kind === 'ready') return;
    const waiting = this.#waiting.get(reply.id);
    if (reply.kind === 'piece') {
      waiting?.onText?.(reply.text);
      return;
    }
    this.#waiting.delete(reply.id);
    if (reply.kind === 'answer') waiting?.resolve(reply.answer);
    else waiting?.reject(new Error(reply.message));
  }
}
