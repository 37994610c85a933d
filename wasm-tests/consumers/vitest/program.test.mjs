import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { quantize } from 'monoquant';
import { expect, it } from 'vitest';

it('quantizes', async () => {
  const output = 'quantized.safetensors';
  const { report } = await quantize('model.safetensors', { bits: 4, output, force: true });
  const sha256 = createHash('sha256').update(readFileSync(output)).digest('hex');
  expect(report.sqnrDb).toBeGreaterThan(10);
  console.log(JSON.stringify({ sha256, engine: report.engine }));
});
