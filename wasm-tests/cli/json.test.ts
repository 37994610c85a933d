/**
 * The documents that programs read: `--json` and `--report`.
 * It exists because other people's scripts break on a renamed field.
 * stdout carries one document and nothing else; its shape is that of the types.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { open, type PlanOptions, quantize } from '#package/node';
import { type Finished, Folder, monoquant } from '../support/cli.js';
import { filled, mixedModel } from '../support/models.js';
import { parseCatalog, parsePlan, parseReport } from '../support/schema.js';

const folder = new Folder();
const model = folder.write('model.safetensors', [
  ...mixedModel('F32'),
  filled('nan.weight', 'F32', [8, 128], (index) => (index === 0 ? Number.NaN : 1)),
]);
const CHOICES = [
  { words: [] },
  { words: ['--bits', '4', '-g', '32', '--layer', 'lstm=bits:8'] },
  { words: ['--bits', '16'] },
];

describe.each(CHOICES)('quantize $words', ({ words }) => {
  const output = folder.at('output.safetensors');
  const reportPath = folder.at('report.json');
  let finished: Finished;
  beforeAll(async () => {
    const files = ['-o', output, '--report', reportPath, '--force'];
    finished = await monoquant('quantize', model, ...words, ...files, '--json');
  });

  it('prints a report, and nothing else', async () => {
    expect(finished.code).toBe(0);
    const report = parseReport(finished.stdout);
    expect(report.sizes.outputBytes).toBe(readFileSync(output).length);
    expect(report.warnings.map(({ code }) => code)).toContain('non-finite');
    for (const { message } of report.warnings) expect(finished.stderr).toContain(message);
  });

  it('writes the same document with --report', () => {
    expect(readFileSync(reportPath, 'utf8')).toBe(finished.stdout);
  });

  it('plans the same with --dry-run', async () => {
    const dry = await monoquant('quantize', model, ...words, '--dry-run', '--json');
    const plan = parsePlan(dry.stdout);
    const report = parseReport(finished.stdout);
    expect(plan.configuration).toEqual(report.configuration);
    expect(plan.tensors.length).toBe(report.tensors.length + report.copied.length);
  });
});

it.each([
  ['--layers', 'conv2d,lstm', { layers: ['conv2d', 'lstm'] }],
  ['--ignore', 're:.*hh_l0', { ignore: ['re:.*hh_l0'] }],
  ['--min-elements', '5000', { minElements: 5000 }],
  ['--no-default-ignore', undefined, { defaultIgnore: false }],
  [
    '--layer',
    'lstm=bits:8,group:32,scheme:asymmetric,method:rtn',
    {
      overrides: [
        { pattern: 'lstm', bits: 8, groupSize: 32, scheme: 'asymmetric', method: 'rtn' } as const,
      ],
    },
  ],
] as const)('%s %s chooses as the API does', async (flag, value, options) => {
  const words = value === undefined ? [flag] : [flag, value];
  const dry = await monoquant('quantize', model, ...words, '--dry-run', '--json');
  const opened = await open(model);
  const before = await opened.plan();
  const expected = await opened.plan(options as PlanOptions);
  await opened.close();
  expect(parsePlan(dry.stdout)).toEqual(expected);
  expect(expected.tensors).not.toEqual(before.tensors);
});

it('info prints a catalog: the one of the API', async () => {
  const { code, stdout, stderr } = await monoquant('info', model, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const opened = await open(model);
  expect(parseCatalog(stdout)).toEqual(opened.catalog);
  await opened.close();
});

it('--json says what the API says', async () => {
  const { stdout } = await monoquant('quantize', model, '-o', folder.at('a.safetensors'), '--json');
  const result = await quantize(model, { output: folder.at('b.safetensors') });
  const circumstances = { engine: undefined, timings: undefined };
  expect({ ...parseReport(stdout), ...circumstances }).toEqual({
    ...result.report,
    ...circumstances,
  });
});

it('--quiet prints the path and nothing else', async () => {
  const output = folder.at('quiet.safetensors');
  const { stdout, stderr } = await monoquant('quantize', model, '-o', output, '--quiet');
  expect(stdout).toBe(`${output}\n`);
  expect(stderr).toMatch(/^(warning: .*\n( .*\n)*)+$/);
});

it('--verbose shows every tensor, the engine and the timings', async () => {
  const output = folder.at('verbose.safetensors');
  const { stdout } = await monoquant('quantize', model, '-o', output, '--verbose');
  for (const { name } of mixedModel('F32')) expect(stdout).toContain(name);
  expect(stdout).toMatch(/^engine +st, \d+ thread/m);
  expect(stdout).toMatch(/encode .*verify/);
});

it('progress goes to stderr, in numbered lines, and not with --json or --quiet', async () => {
  const run = (...words: string[]) =>
    monoquant('quantize', model, '-o', folder.at('p.safetensors'), '--force', ...words);
  expect((await run()).stderr).toMatch(
    /^\[1\/3\] plan.*\n(.*\n)*\[2\/3\] encode.*\n(.*\n)*\[3\/3\] verify/,
  );
  expect((await run('--json')).stderr).not.toContain('[1/3]');
  expect((await run('--quiet')).stderr).not.toContain('[1/3]');
});
