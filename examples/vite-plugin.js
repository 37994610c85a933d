/**
 * A plugin of Vite: `import url from './model.safetensors?quantize&bits=4'` is the address of a smaller copy.
 * What follows `quantize` are the options of `quantize`; lists repeat their key: `&ignore=fc1&ignore=fc2`.
 * A copy is made once for a model and its options, and kept in Vite's cache folder; in builds it becomes an asset.
 *
 *     import { monoquant } from './vite-plugin.js';
 *     export default { plugins: [monoquant()] };
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { OPTIONS, quantize, version } from 'monoquant';

export function monoquant() {
  let config;
  const running = new Map();

  /** The path of the quantized copy. Requests for the same one share the work. */
  function copyOf(model, options, warn) {
    const { size, mtimeMs } = statSync(model);
    const said = JSON.stringify([model, size, mtimeMs, options, version()]);
    const key = createHash('sha256').update(said).digest('hex').slice(0, 16);
    const folder = join(config.cacheDir, 'monoquant');
    const name = basename(model, extname(model));
    const output = join(folder, `${name}-${key}.safetensors`);
    if (!running.has(output)) running.set(output, make(model, options, folder, output, warn));
    return running.get(output);
  }

  async function make(model, options, folder, output, warn) {
    if (existsSync(output)) return output;
    mkdirSync(folder, { recursive: true });
    // The output appears under its name only when it is complete, so what is in the cache is whole.
    const result = await quantize(model, { ...options, output, force: true });
    await result.close();
    for (const { message } of result.report.warnings) warn(message);
    return output;
  }

  return {
    name: 'monoquant',
    enforce: 'pre',

    configResolved(resolved) {
      config = resolved;
    },

    async load(id) {
      const [model, query = ''] = id.split('?');
      const asked = new URLSearchParams(query);
      if (!asked.has('quantize')) return;
      asked.delete('quantize');
      this.addWatchFile(model);
      const warn = (message) => this.warn(message);
      const output = await copyOf(model, optionsOf(asked), warn).catch((error) =>
        this.error([error.message, error.suggestion].filter(Boolean).join(' ')),
      );
      if (config.command === 'serve') {
        return `export default ${JSON.stringify(`${config.base}@fs/${output.replace(/^\//, '')}`)};`;
      }
      const name = `${basename(model, extname(model))}.safetensors`;
      const source = readFileSync(output);
      const asset = this.emitFile({ type: 'asset', name, source });
      return `export default import.meta.ROLLUP_FILE_URL_${asset};`;
    },
  };
}

/** Checked by monoquant itself: an unknown option is an error that names the nearest one. */
function optionsOf(asked) {
  const options = {};
  for (const key of new Set(asked.keys())) {
    const values = asked.getAll(key).map(valueIn);
    const isList = ['texts', 'choices'].includes(OPTIONS[key]?.kind.form.kind);
    options[key] = isList ? values : values[0];
  }
  return options;
}

function valueIn(text) {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
