/**
 * What asks servers, as reading in parts sees it: each host has its own way to the network.
 */
import type { MonoquantError } from '../api/errors.js';
import type { Hitch } from './hitch.js';
import type { Surroundings } from './surroundings.js';

/** How files are asked for: variables of the environment by their names. It survives structured cloning. */
export type Environment = Readonly<Record<string, string>>;

/** Where something is, as far as redirections have led. */
export interface Location {
  readonly url: URL;
  /** What the server that was named is told of who asks; undefined once another server has answered. */
  readonly authorization: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly location: Location;
  /** By its name in small letters; undefined if it is not there, or may not be seen here. */
  header(name: string): string | undefined;
  /** The body, piece by piece, once. It throws what `lost` understands. */
  body(): AsyncIterable<Uint8Array>;
  /** Nobody wants the body, or the rest of it. */
  discard(): void;
}

export interface Client {
  readonly environment: Environment;
  readonly surroundings: Surroundings;
  /** Where a URL leads at first. */
  locationOf(url: URL): Location;
  /** The first answer that is no redirection. Its body has to be read or discarded. */
  get(
    start: Location,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Answer>;
  /** What a connection that failed means. What is understood already stays as it is. */
  lost(url: URL, cause: unknown): MonoquantError | Hitch;
  /** What may help with a server that wants to know who asks. */
  signIn(url: URL): string | undefined;
}
