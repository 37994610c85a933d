// The compiled engine's glue code, as the bundles import it: it exists only in dist/wasm.
// Why: a literal import is what bundlers follow from our worker to the glue and on to the .wasm.
// Always: imported as '../wasm/monoquant-st.mjs' or '-mt'; the build leaves those imports alone.

declare module '*/wasm/monoquant-st.mjs' {
  const factory: import('./engine/load.js').EngineFactory;
  export default factory;
}

declare module '*/wasm/monoquant-mt.mjs' {
  const factory: import('./engine/load.js').EngineFactory;
  export default factory;
}
