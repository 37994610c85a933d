/**
 * Workers in which something is done before anything of the package runs.
 * It exists because only there can a test change what the browser offers to the engine.
 * `prelude` runs there as text: it can use nothing of its own file.
 */
export function withPrelude(Original: typeof Worker, prelude: () => void): typeof Worker {
  return class extends Original {
    constructor(url: string | URL, options?: WorkerOptions) {
      const before = `data:text/javascript,${encodeURIComponent(`(${prelude})()`)}`;
      const address = new URL(url, location.href).href;
      const script = `import '${before}';\nimport '${address}';`;
      super(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })), options);
    }
  };
}
