/**
 * BatchNorm layers that are folded, as the command does it.
 * Which ones are, and what comes of them: wasm-tests/contract/folding.test.ts.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { filled, weights } from '../support/models.js';
import { readSafetensors } from '../support/safetensors.js';

const folder = new Folder();
const model = folder.write('model.safetensors', [
  weights('conv.weight', 'F32', [16, 8, 3, 3]),
  ...['weight', 'bias', 'running_mean'].map((part) => weights(`bn.${part}`, 'F32', [16])),
  filled('bn.running_var', 'F32', [16], () => 0.01),
]);

describe('--fold-bn', () => {
  it('says what was folded, and takes an epsilon as people write it', async () => {
    const to = folder.at('out.safetensors');
    for (const epsilon of ['1e-3', '0.001']) {
      const words = ['--fold-bn', '--bn-eps', epsilon, '-o', to, '--force'];
      const { code, stdout, stderr } = await monoquant('quantize', model, ...words);
      expect(code, stderr).toBe(0);
      expect(stdout).toMatch(/folded +1 BatchNorm layer, left as identities/);
    }
    const { bytes } = readSafetensors(readFileSync(to)).tensors.get('bn.weight') ?? {};
    const values = new Float32Array(Uint8Array.from(bytes ?? []).buffer);
    expect([...values]).toEqual(Array(16).fill(Math.fround(Math.sqrt(1.001))));
  });

  const WRONG: readonly (readonly [words: readonly string[], message: RegExp])[] = [
    [
      ['--fold-bn'],
      /epsilon .* matters to "bn": its smallest variance is 0\.01\.\s+Give it .*--bn-eps/,
    ],
    [['--fold-bn', '--bn-eps', '0'], /above 0/],
    [['--fold-bn', '--bn-eps', 'small'], /Expected a number/],
    [['--bn-eps', '1e-5'], /--bn-eps has no meaning without --fold-bn/],
    [['--drop-bn'], /--drop-bn has no meaning without --fold-bn/],
    [['--fold-bn', '-o', 'x.gguf'], /no BatchNorm/],
  ];

  it.each(WRONG)('is refused: %j', async (words, message) => {
    const { code, stderr } = await monoquant('quantize', model, ...words, '--dry-run');
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
