// The part of wllama that is used here: its own declarations leave out the endings that modules of Node ask for.

declare module '@wllama/wllama/esm/index.js' {
  interface Settings {
    readonly nPredict: number;
    readonly sampling: { readonly temp: number };
    readonly onNewToken: (token: number, piece: Uint8Array, text: string) => void;
  }

  export class Wllama {
    constructor(
      wasm: {
        readonly 'single-thread/wllama.wasm': string;
        readonly 'multi-thread/wllama.wasm': string;
      },
      settings: { readonly logger: Record<'debug' | 'log' | 'warn' | 'error', () => void> },
    );
    /** `n_ctx`: tokens. */
    loadModel(files: readonly Blob[], settings: { readonly n_ctx: number }): Promise<void>;
    getNumThreads(): number;
    getChatTemplate(): string | null;
    createChatCompletion(
      messages: readonly { readonly role: 'user'; readonly content: string }[],
      settings: Settings,
    ): Promise<string>;
    createCompletion(prompt: string, settings: Settings): Promise<string>;
  }
}
