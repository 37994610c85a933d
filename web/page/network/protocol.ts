/**
 * What the page and its way to the network say to each other, through one port: `ready` first, then an answer or a
 * failure to each request, in any order.
 */
import type { ErrorCode } from '../../../js/api/errors.js';

/** What each request is given, and what it is answered. Files are named by their numbers in the model. */
export interface NetworkCalls {
  readonly open: { readonly given: string; readonly answer: FoundModel };
  readonly read: {
    readonly given: { readonly file: number; readonly offset: number; readonly length: number };
    readonly answer: Uint8Array<ArrayBuffer>;
  };
  /** Fails if the server has another version by now. */
  readonly check: { readonly given: { readonly file: number }; readonly answer: null };
}

/** The one model that is behind a URL. */
export interface FoundModel {
  /** Of the file, or of the folder. */
  readonly name: string;
  /** Read in parts. */
  readonly parts: readonly { readonly name: string; readonly size: number }[];
  /** Read already: an index, a configuration. */
  readonly beside: readonly { readonly name: string; readonly content: Uint8Array<ArrayBuffer> }[];
}

export type NetworkRequest = {
  [Kind in keyof NetworkCalls]: {
    readonly kind: Kind;
    readonly id: number;
    readonly given: NetworkCalls[Kind]['given'];
  };
}[keyof NetworkCalls];

export interface NetworkFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly suggestion: string | undefined;
}

export type NetworkReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: NetworkFailure };
