// The benchmark's table of a model behind a URL: the same file from the disk, and from a server on this machine.
// Why: what a network takes is not ours; what asking, waiting and copying take beside it is.
// Always: in pairs that alternate; the server is this process, which `timed` does not count.

import { createReadStream, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { header, row } from './bench-files.mjs';
import { writeModel } from './bench-model.mjs';
import { median, quantile, timed } from './bench-process.mjs';

/** Milliseconds from a question to its answer: a neighbour, and another country. */
const DELAYS = [0, 40];

/**
 * @param {import('./bench-files.mjs').Job} job
 * @returns {AsyncGenerator<string>}
 */
export async function* benchUrl({ root, folder, bytes, rounds }) {
  const input = join(folder, 'model.safetensors');
  const output = join(folder, 'output.safetensors');
  writeModel(input, 'BF16', bytes);
  yield '';
  yield `BF16 to INT8 with two threads, from a server on the same machine, in pairs with the same file from the disk:`;
  yield '';
  yield* header(['answers after', '/ file', 'quartiles', 'MB/s', 'user s', 'system s', 'peak MB']);
  const quantize = (/** @type {string} */ model) => {
    rmSync(output, { force: true });
    const cli = join(root, 'dist', 'node', 'cli.js');
    const flags = ['-b', '8', '--threads', '2', '--quiet'];
    return timed([process.execPath, cli, 'quantize', model, '-o', output, ...flags]);
  };
  for (const delay of DELAYS) {
    const { url, stop } = await serveFile(input, delay);
    try {
      const costs = [];
      const ratios = [];
      // The first round warms up and does not count.
      for (let round = 0; round <= rounds; round++) {
        const file = await quantize(input);
        const cost = await quantize(url);
        if (round === 0) continue;
        costs.push(cost);
        ratios.push(cost.wall / file.wall);
      }
      const of = (/** @type {'wall' | 'user' | 'system'} */ key) =>
        median(costs.map((cost) => cost[key]));
      const spread = [0.25, 0.75].map((share) => quantile(ratios, share).toFixed(2)).join('–');
      const peak = Math.max(...costs.map((cost) => cost.peak)) / 1e6;
      const speed = (bytes / 1e6 / of('wall')).toFixed(0);
      const cells = [median(ratios).toFixed(2), spread, speed, of('user').toFixed(2)];
      yield row([`${delay} ms`, ...cells, of('system').toFixed(2), peak.toFixed(0)]);
    } finally {
      stop();
    }
  }
  rmSync(input);
  rmSync(output, { force: true });
}

/**
 * @param {string} path
 * @param {number} delay in milliseconds
 * @returns {Promise<{url: string, stop: () => void}>}
 */
async function serveFile(path, delay) {
  const { size } = statSync(path);
  const server = createServer(({ headers }, response) => {
    const [, begin, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    const [start, last] = [Number(begin ?? 0), Math.min(Number(end ?? size), size - 1)];
    setTimeout(() => {
      response.writeHead(206, {
        'content-range': `bytes ${start}-${last}/${size}`,
        'content-length': last - start + 1,
        etag: '"1"',
      });
      createReadStream(path, { start, end: last, highWaterMark: 1 << 20 }).pipe(response);
    }, delay);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${address.port}/weights.safetensors`, stop };
}
