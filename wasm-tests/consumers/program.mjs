/**
 * What every program of the matrix does: quantizes a file, and says what came out.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { quantize } from 'monoquant';

const output = 'quantized.safetensors';
const { report } = await quantize('model.safetensors', { bits: 4, output, force: true });
const sha256 = createHash('sha256').update(readFileSync(output)).digest('hex');
console.log(JSON.stringify({ sha256, engine: report.engine }));
