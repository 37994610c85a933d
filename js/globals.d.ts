// What js/ may use beyond the language itself: globals that every host has in the same shape.
// Why: js/ runs in Node and in browsers; neither host's own types may be taken for granted there.
// Always: only js/ is compiled with this file; node/ and web/ see js/ through its declarations.

interface AbortSignal {
  readonly aborted: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: whatever was given to abort(), as in both hosts' types
  readonly reason: any;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

declare const AbortSignal: {
  readonly prototype: AbortSignal;
  abort(reason?: unknown): AbortSignal;
  timeout(milliseconds: number): AbortSignal;
};

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

declare class URL {
  constructor(url: string | URL, base?: string | URL);
  hash: string;
  host: string;
  hostname: string;
  readonly href: string;
  readonly origin: string;
  password: string;
  pathname: string;
  readonly protocol: string;
  search: string;
  username: string;
}

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}

// Browsers refuse to decode shared memory: copy it first.
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(
    bytes?: ArrayBuffer | ArrayBufferView<ArrayBuffer>,
    options?: { stream?: boolean },
  ): string;
}

declare const performance: { now(): number };

// A number in browsers. In Node an object, which can be told not to keep the process.
interface Timer {
  unref?(): void;
}
declare function setTimeout(callback: () => void, milliseconds?: number): Timer;
declare function clearTimeout(timer: Timer | undefined): void;

interface ImportMeta {
  readonly url: string;
}
