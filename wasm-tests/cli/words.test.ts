/**
 * What the command says: help that fits on a screen, and answers to typing mistakes.
 * It exists because most runs of a command begin with a mistake or a look at the help.
 * A mistake is answered with the nearest thing that there is.
 */
import { describe, expect, it } from 'vitest';
import { Folder, monoquant, shell } from '../support/cli.js';
import { samples } from '../support/deep.js';
import { mixedModel, weights } from '../support/models.js';

const folder = new Folder();
const model = folder.write('model.safetensors', mixedModel('F32'));

describe('help', () => {
  it('of every command fits on a screen of 80 columns and 45 lines', async () => {
    const overview = await monoquant('--help');
    const commands = [...overview.stdout.matchAll(/^ {2}(?!monoquant)(\w+) (?:[A-Z]|\[)/gm)].map(
      ([, name]) => name ?? '',
    );
    expect(commands).toEqual(expect.arrayContaining(['quantize', 'info', 'help']));
    for (const words of [['--help'], ...commands.map((name) => [name, '--help'])]) {
      const { code, stdout, stderr } = await monoquant(...words);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const lines = stdout.trimEnd().split('\n');
      expect(lines.length, words.join(' ')).toBeLessThanOrEqual(45);
      for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    }
  });

  it('is the same in every way of asking', async () => {
    const { stdout } = await monoquant('quantize', '--help');
    for (const words of [
      ['help', 'quantize'],
      ['quantize', '-h'],
      ['quantize', '--bits', 'nonsense', model, '--help'],
    ]) {
      expect((await monoquant(...words)).stdout).toBe(stdout);
    }
  });

  it('lists every flag that is taken', async () => {
    const { stdout } = await monoquant('quantize', '--help');
    const flags = [...stdout.matchAll(/--([a-z-]+)/g)].map(([flag]) => flag);
    expect(new Set(flags).size).toBeGreaterThan(20);
    for (const flag of samples([...new Set(flags)], 4)) {
      const { stderr } = await monoquant('quantize', flag);
      expect(stderr, flag).not.toContain('Unknown');
    }
  });
});

const MISTAKES: readonly (readonly [words: readonly string[], answer: string])[] = [
  [['quantise', model], 'Did you mean quantize?'],
  [['inof', model], 'Did you mean info?'],
  [[model], 'monoquant quantize'],
  [['--bits', '4', 'quantize', model], '--bits'],
  [['quantize', model, '--bit', '4'], 'Did you mean --bits?'],
  [['quantize', model, '-bits', '4'], 'Did you mean --bits?'],
  [['quantize', model, '--groupsize', '64'], 'Did you mean --group-size?'],
  [['quantize', model, '--ouput', 'x'], 'Did you mean --output?'],
  [['quantize', model, '--weight-only'], 'Did you mean --weights-only?'],
  [['quantize', model, '-B', '4'], '--bits'],
  [['quantize', model, '--bits', '9'], 'Did you mean 8?'],
  [['quantize', model, '--scheme', 'symetric'], 'Did you mean symmetric?'],
  [['quantize', model, '--strategy', 'groups'], 'Did you mean group?'],
  [['quantize', model, '-g', '100'], 'Did you mean 128?'],
  [['quantize', model, '--layers', 'conv2'], 'Did you mean conv2d?'],
  [['quantize', model, '--dtype', 'f15', '--bits', '16'], 'Did you mean f16?'],
  [['quantize', model, '--format', 'exl2'], 'compressed-tensors'],
  [['quantize', model, '--layer', 'lstm=bit:8'], 'Did you mean bits:8?'],
  [['quantize', model, '--layer', 'lstm'], '--layer'],
  [['quantize', model, '--ignore', 'lstn'], '"lstm"'],
  [['quantize', model, '--ignore', 'image.wieght'], '"image.weight"'],
  [['quantize', model, '--layer', 'fc.wieght=bits:4'], '"fc.weight"'],
  [['quantize', model, '--threads', '0'], '--threads'],
  [['quantize', model, '--threads', 'two'], '--threads'],
  [['quantize', model, '--fail-under'], '--fail-under'],
  [['quantize', model, '--fail-under', 'high'], '--fail-under'],
  [['quantize', model, '--dynamic', '--weights-only'], 'exclude each other'],
  [['quantize', model, '--verbose', '--quiet'], 'exclude each other'],
  [['quantize', model, '-g', '64', '-g', '32'], 'given twice'],
  [['quantize', model, '--json=yes'], 'takes no value'],
  [['quantize', model, '--output', '--force'], '--output'],
  [['quantize', model, '-g', '64'], '--weights-only'],
  [['quantize', model, '--bits', '16', '--scheme', 'symmetric'], '--bits'],
  [['quantize', model, '--dtype', 'f16'], '--bits 16'],
  [['quantize', model, '-b', '16', '--method', 'mse'], '--method has no meaning with --bits 16'],
  [
    ['quantize', model, '-b', '16', '--layer', 'fc=method:mse'],
    'The override of "fc": method has no meaning with --bits 16',
  ],
  [['quantize', model, '--layer', 'fc=bits:16,group:64'], 'group has no meaning with bits:16'],
  [['quantize', model, '-b', '4', '--strategy', 'tensor'], 'Take --strategy group or --strategy'],
  [['quantize', model, '--threads', '100'], 'for --threads but received 100'],
  [['quantize', model, '--percentile', '99'], '--percentile is about'],
  [['validate', model, '--no-run', '-c', model], '--calibration has no meaning with --no-run'],
  [['quantize', model, '--config', 'modle.safetensors'], 'no file'],
  [['quantize', folder.at('modle.safetensors')], 'model.safetensors'],
  // What people know from other tools.
  [['quantize', model, '--w_bit', '4'], 'Did you mean --bits?'],
  [['quantize', model, '--q-bits', '4'], 'Did you mean --bits?'],
  [['quantize', model, '--load-in-4bit'], 'Did you mean --bits 4?'],
  [['quantize', model, '--int8'], 'Did you mean --bits 8?'],
  [['quantize', model, '--fp16'], 'Did you mean --bits 16?'],
  [['quantize', model, '--sym'], 'Did you mean --scheme symmetric?'],
  [['quantize', model, '--asym'], 'Did you mean --scheme asymmetric?'],
  [['quantize', model, '--q_group_size', '64'], 'Did you mean --group-size?'],
  [['quantize', model, '--exclude', 'fc'], 'Did you mean --ignore?'],
  [['quantize', model, '--skip', 'fc'], 'Did you mean --ignore?'],
  [['quantize', model, '--ignore_layers', 'fc'], 'Did you mean --ignore?'],
  [['quantize', model, '--modules_to_not_convert', 'fc'], 'Did you mean --ignore?'],
  [['quantize', model, '--targets', 'Linear'], 'Did you mean --layers?'],
  [['quantize', model, '--quant-lm-head'], 'Did you mean --no-default-ignore?'],
  [['quantize', model, '--out', 'x.safetensors'], 'Did you mean --output?'],
  [['quantize', model, '--save_directory', 'x/'], 'Did you mean --output?'],
  [['quantize', model, '--mlx-path', 'x/'], 'Did you mean --output?'],
  [['quantize', '-i', model], 'Did you mean --model?'],
  [['quantize', '--hf-path', model], 'Did you mean --model?'],
  [['quantize', model, '-f'], 'Did you mean --force?'],
  [['quantize', model, '-y'], 'Did you mean --force?'],
  [['quantize', model, '--overwrite'], 'Did you mean --force?'],
  [['quantize', model, '-j', '2'], 'Did you mean --threads?'],
  [['quantize', model, '--no-color'], 'NO_COLOR'],
  [['quantize', model, '--scheme', 'FP9'], 'w4a16'],
  [['quantize', model, '-b', 'nf4'], '2, 3, 4, 5, 6, 7, 8 or 16'],
  [['quantize', model, '--scheme', 'W4A16', '-b', '8'], 'contradicts --bits 8'],
  [['quantize', model, '--scheme', 'W8A8', '--weights-only'], 'contradicts'],
  [['quantize', 'gpt2'], 'hf download gpt2'],
  [['quantize', 'meta-llama/Llama-3.2-1B'], 'hf download meta-llama/Llama-3.2-1B'],
  [['info', 'org/name'], 'https://huggingface.co/org/name,'],
  [['info', 'hf://org/name'], 'hf download org/name '],
  [['info', 's3://bucket/model.safetensors'], 'Copy the model'],
  [['validate', model, model], '--reference'],
];

/** Other words for the same choices. */
const SYNONYMS: readonly (readonly [words: string, same: string])[] = [
  ['-b int4', '-b 4'],
  ['-b INT8', '-b 8'],
  ['-b 4bit', '-b 4'],
  ['-b q4', '-b 4'],
  ['-b fp16', '-b 16'],
  ['-b 16 --dtype bfloat16', '-b 16 --dtype bf16'],
  ['-b 16 --dtype float16', '-b 16'],
  ['-s asym', '-s asymmetric'],
  ['-s sym', ''],
  ['--strategy per-tensor', '--strategy tensor'],
  ['--scheme W8A8', '--dynamic'],
  ['--scheme int8', '--dynamic'],
  ['--scheme W8A16', '--weights-only'],
  ['--scheme W4A16', '-b 4'],
  ['--scheme w4a16_asym', '-b 4 -s asymmetric'],
  ['--scheme W4A16 -g 32', '-b 4 -g 32'],
  ['--ignore fc,image', '--ignore fc --ignore image'],
  ['--ignore "fc, image"', '--ignore fc --ignore image'],
];

it.each(samples(SYNONYMS, 2))('%s is %s', async (words, same) => {
  const planned = async (flags: string) => {
    const { code, stdout, stderr } = await shell(
      `monoquant quantize '${model}' ${flags} --dry-run --json`,
    );
    expect(code, stderr).toBe(0);
    return stdout;
  };
  expect(await planned(words)).toBe(await planned(same));
});

it('takes what recipes spare in every model for a warning, and a mistake for a mistake', async () => {
  const patterns = [
    'embed_out',
    '*.mlp.gate',
    're:.*shared_expert_gate',
    'vision_tower',
    're:visual.*',
  ];
  for (const pattern of samples(patterns, 2)) {
    const run = await monoquant('quantize', model, '--ignore', pattern, '--dry-run', '-q');
    expect(run.code, pattern).toBe(0);
    expect(run.stderr.replace(/\s+/g, ' ')).toContain(`"${pattern}" matches none`);
    const strict = await monoquant('quantize', model, '--ignore', pattern, '--dry-run', '--strict');
    expect(strict.code, pattern).toBe(4);
    const other = await monoquant('quantize', model, '--layer', `${pattern}=bits:4`, '--dry-run');
    expect(other.code, pattern).toBe(2);
  }
});

it.each(samples(MISTAKES, 2))('%j is answered with: %s', async (words, answer) => {
  const { code, stdout, stderr } = await monoquant(...words);
  expect(code).toBeOneOf([2, 5]);
  expect(stdout).toBe('');
  expect(stderr.replace(/\s+/g, ' ')).toContain(answer);
  // In the words of the command line, not in those of the API.
  expect(stderr).not.toMatch(/groupSize|weightsOnly|floatType|minElements|failUnder/);
  expect(folder.list()).toEqual(['model.safetensors']);
});

it('what a file says cannot drive the terminal', async () => {
  const [first] = mixedModel('F32');
  if (first === undefined) throw new Error('The model is empty.');
  const name = 'a\u001b[2J\u202eb\u0007.weight';
  const odd = folder.write('model.safetensors', [{ ...first, name }]);
  const words = ['--dry-run', '--verbose'];
  for (const { stdout, stderr } of [
    await monoquant('quantize', odd, ...words),
    await monoquant('info', odd),
    await monoquant('quantize', odd, '--ignore', 'nothing\u001b[2J'),
  ]) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f\u202e]/);
  }
});

it.each([
  [[96], 'one scale for 32 weights,'],
  [[128], 'one scale for 128 weights,'],
  [[48, 48, 50], 'one scale per channel,'],
  [[64, 192, 50, 64], ', 3 tensors in groups of 64, 1 per channel,'],
])(
  'what groups the tensors have is told, not what was asked for: rows of %j',
  async (rows, words) => {
    const source = folder.write('rows.safetensors', [
      ...rows.map((columns, index) => weights(`fc${index}.weight`, 'F32', [16, columns])),
      weights('lm_head.weight', 'F32', [16, 96]),
    ]);
    const output = folder.at('rows-int4.safetensors');
    for (const flags of [['--dry-run'], []]) {
      const { code, stdout } = await monoquant(
        'quantize',
        source,
        '-b',
        '4',
        '-o',
        output,
        '--force',
        ...flags,
      );
      expect(code).toBe(0);
      expect(stdout.replace(/\s+/g, ' ')).toContain(words);
    }
  },
);
