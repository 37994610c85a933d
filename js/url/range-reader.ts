/**
 * Reads parts of a file behind a URL, and goes on after connections that broke from the byte that was reached.
 * Every answer is checked for being of the version that was opened: what was read is never a mixture of two.
 */
import { aborted } from './aborted.js';
import type { Answer, Client, Location } from './client.js';
import { changed, connectionBroke, notDownloadable } from './failures.js';
import { Hitch, Patience, TRIES } from './hitch.js';
import { checkPlain, failureOf, isVersion, partOf, type RemoteFile } from './remote.js';

/** What a connection has to have brought before it broke, to count as one that works. */
const PROGRESS_BYTES = 64 << 10;

/** The addresses that redirections lead to are often good for some time only: then one has to begin anew. */
const EXPIRED: readonly number[] = [400, 401, 403, 404, 410];

export class RangeReader {
  readonly #file: RemoteFile;
  readonly #client: Client;
  readonly #url: URL;
  /** Where redirections led. */
  #shortcut: Location | undefined;

  constructor(file: RemoteFile, client: Client) {
    this.#file = file;
    this.#client = client;
    this.#url = new URL(file.url);
  }

  /** Fills `into` with the bytes at `offset`. */
  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    const patience = new Patience(this.#client.surroundings, TRIES.reading);
    for (let filled = 0; filled < into.length; ) {
      const before = filled;
      const rest = into.subarray(filled);
      try {
        await this.#receive(offset + filled, rest, signal, (count) => {
          filled += count;
        });
      } catch (error) {
        if (error instanceof Hitch && filled - before >= PROGRESS_BYTES) patience.renew();
        else await patience.after(error, signal);
      }
    }
  }

  /** Throws if the server has another version by now. */
  async checkUnchanged(signal?: AbortSignal): Promise<void> {
    if (this.#file.size > 0) await this.read(0, new Uint8Array(1), signal);
  }

  /** Asks once. */
  async #receive(
    begin: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
    onBytes: (count: number) => void,
  ): Promise<void> {
    const answer = await this.#ask(begin, begin + into.length, signal);
    try {
      const coming = into.subarray(0, this.#check(answer, begin, into.length));
      await this.#copy(answer, coming, onBytes);
    } catch (error) {
      answer.discard();
      throw signal?.aborted ? aborted(signal) : this.#client.lost(this.#url, error);
    }
  }

  async #ask(begin: number, end: number, signal: AbortSignal | undefined): Promise<Answer> {
    const { version } = this.#file;
    const headers = {
      range: `bytes=${begin}-${end - 1}`,
      ...('etag' in version
        ? { 'if-range': version.etag }
        : { 'if-unmodified-since': version.modified }),
    };
    const shortcut = this.#shortcut;
    if (shortcut !== undefined) {
      const answer = await this.#client.get(shortcut, headers, signal).catch((error: unknown) => {
        // A page may not see that it has expired.
        this.#shortcut = undefined;
        throw error;
      });
      if (!EXPIRED.includes(answer.status)) return answer;
      answer.discard();
    }
    const answer = await this.#client.get(this.#client.locationOf(this.#url), headers, signal);
    this.#shortcut = answer.location;
    return answer;
  }

  /** How many of the bytes that were asked for are coming. */
  #check(answer: Answer, begin: number, length: number): number {
    const { status } = answer;
    const { size, version } = this.#file;
    const url = this.#url;
    if (status === 412) throw changed(url, 'the server has another version');
    if (status === 416)
      this.#checkSize(/^bytes \*\/(\d+)$/.exec(answer.header('content-range') ?? '')?.[1]);
    if (status !== 200 && status !== 206) throw failureOf(url, answer, this.#client);
    if (!isVersion(version, answer)) throw changed(url, 'the server has another version');
    checkPlain(url, answer);
    if (status === 200) {
      this.#checkSize(answer.header('content-length'));
      throw notDownloadable(url, 'the server sends all of it where it was asked for a part');
    }
    const [text, from, end, total] = partOf(answer) ?? [];
    if (total !== undefined) this.#checkSize(String(total));
    if (from !== begin || end === undefined || end <= begin || end > begin + length) {
      const asked = `bytes ${begin}-${begin + length - 1}/${size}`;
      const sent = text ?? answer.header('content-range') ?? 'a part that has no name';
      throw notDownloadable(url, `the server was asked for ${asked} and sends ${sent}`);
    }
    return end - begin;
  }

  #checkSize(said: string | undefined): void {
    if (said === undefined || Number(said) === this.#file.size) return;
    throw changed(this.#url, `it had ${this.#file.size} bytes, and has ${said} now`);
  }

  /** Fills `into` with a body. */
  async #copy(answer: Answer, into: Uint8Array, onBytes: (count: number) => void): Promise<void> {
    let filled = 0;
    for await (const chunk of answer.body()) {
      const left = into.length - filled;
      if (chunk.length > left) {
        throw notDownloadable(this.#url, 'the server sends more bytes than it has said');
      }
      into.set(chunk, filled);
      filled += chunk.length;
      onBytes(chunk.length);
    }
    if (filled < into.length) throw connectionBroke(this.#url);
  }
}
