/**
 * What `await using` calls at the end of a block.
 * Hosts that do not know it yet get the symbol that compilers take instead.
 */
declare global {
  // For programs whose compiler is not told of it: declarations of the package have it in them.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

export const ASYNC_DISPOSE: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');
