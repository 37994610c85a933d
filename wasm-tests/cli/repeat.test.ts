/**
 * `--config`: a run repeated from its report, or from choices in a file, changed by flags.
 * It exists because people keep the report, not the command that made it.
 * Flags win over the file, and what depended on what they change goes back to its default.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Configuration } from '#package';
import { Folder, monoquant } from '../support/cli.js';
import { mixedModel, weights } from '../support/models.js';
import { parsePlan, parseReport } from '../support/schema.js';

const folder = new Folder();
const model = folder.write('model.safetensors', mixedModel('F32'));

function write(name: string, content: unknown): string {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(folder.at(name), text);
  return folder.at(name);
}

async function planned(...words: string[]): Promise<Configuration> {
  const dry = await monoquant('quantize', model, ...words, '--dry-run', '--json');
  expect(dry.stderr.replace(/^warning: .*\n( .*\n)*/gm, '')).toBe('');
  return parsePlan(dry.stdout).configuration;
}

describe('repeats a run to the byte', () => {
  const first = folder.at('first.safetensors');
  const report = folder.at('first.json');
  const words = [
    '-b',
    '4',
    '-g',
    '64',
    '--layer',
    'fc=bits:8,scheme:asymmetric',
    '--ignore',
    'gru',
  ];
  beforeAll(async () => {
    const { code } = await monoquant('quantize', model, ...words, '-o', first, '--report', report);
    expect(code).toBe(0);
  });

  it('from its report', async () => {
    const again = folder.at('again.safetensors');
    const run = await monoquant('quantize', model, '--config', report, '-o', again, '--json');
    expect(readFileSync(again)).toEqual(readFileSync(first));
    const { configuration } = parseReport(readFileSync(report, 'utf8'));
    expect(parseReport(run.stdout).configuration).toEqual(configuration);
  });

  it('from the configuration alone', async () => {
    const { configuration } = parseReport(readFileSync(report, 'utf8'));
    const again = folder.at('alone.safetensors');
    const file = write('alone.json', configuration);
    await monoquant('quantize', model, '--config', file, '-o', again);
    expect(readFileSync(again)).toEqual(readFileSync(first));
  });

  it('from a conversion, by both commands', async () => {
    const output = folder.at('copy.pt');
    const converted = await monoquant('convert', model, output, '--json');
    const file = write('convert.json', converted.stdout);
    const again = folder.at('copy2.pt');
    expect((await monoquant('convert', model, again, '--config', file)).code).toBe(0);
    expect(readFileSync(again)).toEqual(readFileSync(output));
    expect((await monoquant('quantize', model, '--config', file)).stdout).toContain(
      'model-copy.pt',
    );
    expect(readFileSync(folder.at('model-copy.pt'))).toEqual(readFileSync(output));
  });
});

describe('flags win', () => {
  const grouped = { bits: 4, groupSize: 64, scheme: 'asymmetric', method: 'rtn', ignore: ['fc'] };
  const cases: readonly (readonly [object, string[], Partial<Configuration>])[] = [
    [grouped, [], { bits: 4, groupSize: 64, method: 'rtn', ignore: ['fc'] }],
    [grouped, ['-b', '4'], { groupSize: 64, method: 'rtn' }],
    [
      grouped,
      ['-b', '8'],
      { bits: 8, mode: 'dynamic', strategy: 'channel', groupSize: -1, scheme: 'asymmetric' },
    ],
    [grouped, ['-b', '8', '--weights-only', '-g', '32'], { strategy: 'group', groupSize: 32 }],
    [grouped, ['-b', '16'], { bits: 16, scheme: 'symmetric', ignore: ['fc'] }],
    [grouped, ['-g', '-1'], { strategy: 'channel', groupSize: -1 }],
    [grouped, ['--strategy', 'group'], { groupSize: 64 }],
    [grouped, ['--strategy', 'channel'], { groupSize: -1 }],
    [grouped, ['--ignore', 'lstm'], { ignore: ['lstm'] }],
    [{ groupSize: 64 }, ['-b', '4'], { bits: 4, groupSize: 64 }],
    [{ weightsOnly: true, groupSize: 32 }, [], { mode: 'weights-only', groupSize: 32 }],
    [{ mode: 'weights-only' }, ['--dynamic'], { mode: 'dynamic' }],
    [{ bits: 16, floatType: 'BF16' }, ['-b', '8'], { bits: 8, floatType: 'F16' }],
    [
      { overrides: [{ pattern: 'fc', bits: 4 }] },
      ['--method', 'rtn'],
      { overrides: [{ pattern: 'fc', bits: 4, method: 'rtn' }] },
    ],
    [{ container: 'pt' }, ['-o', 'x.safetensors'], { container: 'safetensors' }],
    [{ container: 'pt' }, ['-o', 'x/'], { container: 'pt' }],
    [{}, ['-o', 'x.pt'], { container: 'pt' }],
  ];

  it.each(cases)('%j and %j', async (file, words, expected) => {
    const config = write('choices.json', file);
    const { configuration } = JSON.parse(
      (await monoquant('quantize', model, '--config', config, '--dry-run', '--json')).stdout,
    ) as { configuration: Configuration };
    // The file as it was written, and as a configuration spells it out.
    const paths = [config, write('spelled.json', { configuration })];
    const partial = 'groupSize' in file && !('bits' in file) && words.length > 0;
    for (const path of partial ? [config] : paths) {
      expect(await planned('--config', path, ...words)).toMatchObject(expected);
    }
  });
});

describe('what flags say of a run, the file may say', () => {
  it('quantize: output, force, threads', async () => {
    const output = folder.at('named.safetensors');
    const config = write('run.json', { bits: 4, output, force: true, threads: 2 });
    for (let run = 0; run < 2; run++) {
      const { code, stdout } = await monoquant('quantize', model, '--config', config, '--json');
      expect(code).toBe(0);
      expect(parseReport(stdout).engine.threads).toBe(2);
    }
    expect(folder.has('named.safetensors')).toBe(true);
    const other = folder.at('other.safetensors');
    const words = ['--config', config, '-o', other, '--threads', '1', '--json'];
    const { stdout } = await monoquant('quantize', model, ...words);
    expect(parseReport(stdout).engine.threads).toBe(1);
    expect(readFileSync(other)).toEqual(readFileSync(output));
  });

  it('quantize: gates', async () => {
    const gate = write('gate.json', { bits: 4, failUnder: 90, output: folder.at('gated.pt') });
    expect((await monoquant('quantize', model, '--config', gate)).code).toBe(4);
    expect((await monoquant('quantize', model, '--config', gate, '--fail-under', '1')).code).toBe(
      0,
    );
    const alone = folder.write('alone.safetensors', [weights('fc.weight', 'F32', [16, 128])]);
    const lax = await monoquant('quantize', alone, '--config', write('lax.json', {}));
    expect(lax.stderr).toContain('warning:');
    expect(lax.code).toBe(0);
    const strict = write('strict.json', { strict: true, force: true });
    expect((await monoquant('quantize', alone, '--config', strict)).code).toBe(4);
  });

  it('convert and dequantize, unless the command names an output', async () => {
    const [output, other] = [folder.at('by-config.pt'), folder.at('by-word.pt')];
    const config = write('convert-run.json', { output, force: true });
    expect((await monoquant('convert', model, '--config', config)).code).toBe(0);
    expect((await monoquant('convert', model, other, '--config', config)).code).toBe(0);
    expect(readFileSync(other)).toEqual(readFileSync(output));
    const floats = write('floats.json', { output: folder.at('floats.pt'), dtype: 'F16' });
    const quantized = folder.at('first.safetensors');
    expect((await monoquant('dequantize', quantized, '--config', floats)).code).toBe(0);
    expect((await monoquant('info', folder.at('floats.pt'))).stdout).toContain('F16');
  });
});

describe('mistakes in the file', () => {
  const cases: readonly (readonly [content: unknown, ...answer: string[]])[] = [
    [{ bitz: 4 }, '"bitz"', 'Did you mean "bits"?'],
    [{ groupsize: 64 }, '"groupsize"', 'Did you mean "groupSize"?'],
    [{ bits: '4' }, '"bits" in', 'received "4"'],
    [{ groupSize: 100, bits: 4 }, '"groupSize" in', '100'],
    [{ ignore: 'fc' }, '"ignore" in', 'an array'],
    [{ ignore: ['fc', 3] }, '"ignore" in', '3'],
    [{ overrides: [{ patern: 'fc', bits: 8 }] }, '"patern"', 'Did you mean "pattern"?'],
    [{ overrides: [{ pattern: 'fc', bits: 9 }] }, 'overrides', '9'],
    [{ layers: ['liner'] }, '"layers" in', 'Did you mean "linear"?'],
    [{ configuration: { bitz: 4 } }, 'configuration in', 'Did you mean "bits"?'],
    [{ configuration: 4 }, 'configuration in', 'an object'],
    [{ threads: 0 }, '"threads" in', '0'],
    [{ failUnder: '20' }, '"failUnder" in', '"20"'],
    [{ quiet: true }, '"quiet"', 'output'],
    [[], 'an object', 'an empty array'],
    ['{"bits": 4,}', 'Expected JSON in'],
    ['', 'Expected JSON in'],
  ];

  it.each(cases)('%j', async (content, ...answers) => {
    const file = write('mistake.json', content);
    const before = folder.list();
    const { code, stdout, stderr } = await monoquant('quantize', model, '--config', file);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    const said = stderr.replace(/\s+/g, ' ');
    expect(said).toContain('mistake.json');
    for (const answer of answers) expect(said).toContain(answer);
    expect(folder.list()).toEqual(before);
  });

  it('convert takes no configuration that quantizes', async () => {
    const file = write('quantizes.json', { bits: 4 });
    const { code, stderr } = await monoquant(
      ...['convert', model, folder.at('no.pt'), '--config', file],
    );
    expect(code).toBe(2);
    expect(stderr).toContain('quantizes.json');
    expect(folder.has('no.pt')).toBe(false);
  });

  it('a file that is not there is an error of files', async () => {
    const { code } = await monoquant('quantize', model, '--config', folder.at('nothing.json'));
    expect(code).toBe(5);
  });
});
