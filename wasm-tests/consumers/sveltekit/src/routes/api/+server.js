import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { quantize } from 'monoquant';

export async function GET() {
  const output = 'quantized.safetensors';
  const { report } = await quantize('model.safetensors', { bits: 4, output, force: true });
  const sha256 = createHash('sha256').update(readFileSync(output)).digest('hex');
  return Response.json({ sha256, engine: report.engine });
}
