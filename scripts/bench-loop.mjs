// Reads a file in blocks of 1 MiB and writes a share of each: what any quantizer at least has to do.
// Why: the benchmark shows it beside us, so that one sees what the work itself costs.
// Always: one thread, no engine.
//
// node scripts/bench-loop.mjs INPUT OUTPUT SHARE

import { openSync, readSync, writeSync } from 'node:fs';

const [input, output, share] = process.argv.slice(2);
const block = Buffer.alloc(1 << 20);
const from = openSync(input, 'r');
const to = openSync(output, 'w');
for (;;) {
  const count = readSync(from, block);
  if (count === 0) break;
  writeSync(to, block, 0, Math.round(count * Number(share)));
}
