// The compiled engine's glue code, as the bundles import it: it exists only in dist/wasm.
// Why: a literal import is what bundlers follow from our worker to the glue and on to the .wasm.
// Always: imported as '../wasm/monoquant-st.mjs' or '-mt', and with `.node` in Node; the build leaves that alone.

declare module '*/wasm/monoquant-st.mjs' {
  const factory: import('./engine/load.js').EngineFactory;
  export default factory;
}

declare module '*/wasm/monoquant-mt.mjs' {
  const factory: import('./engine/load.js').EngineFactory;
  export default factory;
}

declare module '*/wasm/monoquant-zstd.mjs' {
  const factory: import('./engine/zstd-module.js').ZstdFactory;
  export default factory;
}

declare module '*/wasm/monoquant-zstd.node.mjs' {
  const factory: import('./engine/zstd-module.js').ZstdFactory;
  export default factory;
}

declare module '*/wasm/monoquant-st.node.mjs' {
  const factory: import('./engine/load.js').EngineFactory;
  export default factory;
}

declare module '*/wasm/monoquant-mt.node.mjs' {
  const factory: import('./engine/load.js').EngineFactory;
  export default factory;
}
