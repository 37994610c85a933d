/**
 * What the page and the frame that runs language models say to each other, through one port: `ready` first, then an
 * answer or a failure to each request, in their order, with pieces of text before the answer to a question.
 */

/** What each request is given, and what it is answered. */
export interface TalkCalls {
  /** A GGUF file; it is known by `name` from then on. */
  readonly load: {
    readonly given: { readonly name: string; readonly file: Blob };
    readonly answer: { readonly threads: number };
  };
  readonly ask: {
    readonly given: { readonly name: string; readonly question: string; readonly most: number };
    readonly answer: Answer;
  };
}

export interface Answer {
  readonly text: string;
  /** Tokens that were generated. */
  readonly tokens: number;
  /** From the first token to the last; undefined of fewer than two. */
  readonly tokensPerSecond: number | undefined;
}

export type TalkRequest = {
  [Kind in keyof TalkCalls]: {
    readonly kind: Kind;
    readonly id: number;
    readonly given: TalkCalls[Kind]['given'];
  };
}[keyof TalkCalls];

export type TalkReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'piece'; readonly id: number; readonly text: string }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly message: string };
