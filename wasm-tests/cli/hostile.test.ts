/**
 * Names that would drive a terminal, forge a line or turn a text around: none reaches an output as it is.
 * It exists because models come from strangers, and logs and terminals believe what they are sent.
 * Every command meets such names wherever a name can be; whatever it prints and writes as text is looked through.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { filled, weights } from '../support/models.js';
import { type Tensor, writeSafetensors } from '../support/safetensors.js';

/** ESC, BEL, BS, CR, LF, CSI, right to left, line separator, DEL, and a mark that nobody sees. */
const CONTROLS =
  '\u001b]0;title\u0007\u001b[2J\b\r\nFORGED: all good\u009b31m\u202e\u2028\u007f\u200b';
const HOSTILE = `a${CONTROLS}z`;
/** Not in names of files, which are UTF-8. */
const SURROGATE = `${HOSTILE}\ud800`;

const OBEYED = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** Each test is several runs of the command, on machines that may be busy. */
vi.setConfig({ testTimeout: 180_000 });

const folder = new Folder();

function expectHarmless(text: string): void {
  for (const line of text.split('\n')) {
    expect(line).not.toMatch(OBEYED);
    expect(line).not.toMatch(/^FORGED/);
  }
}

async function run(...words: string[]): Promise<number | null> {
  const { code, stdout, stderr } = await monoquant(...words);
  expectHarmless(stdout);
  expectHarmless(stderr);
  // It got as far as it should: neither is the word of a defect.
  expect(code, stderr).not.toBe(1);
  expect(stdout + stderr).not.toBe('');
  return code;
}

const model = folder.at(`${HOSTILE}.safetensors`);
writeFileSync(
  model,
  writeSafetensors(
    [weights(`${HOSTILE}.weight`, 'F32', [32, 64]), weights(`${HOSTILE}.bias`, 'F32', [32])],
    { [HOSTILE]: HOSTILE, other: `x${HOSTILE}` },
  ),
);
const surrogates = folder.at('surrogates.safetensors');
writeFileSync(surrogates, writeSafetensors([weights(`${SURROGATE}.weight`, 'F32', [32, 64])]));
const output = folder.at(`${HOSTILE}_out.safetensors`);
const INPUTS = folder.list();

afterEach(() => {
  for (const name of folder.list()) {
    if (!INPUTS.includes(name)) rmSync(folder.at(name), { recursive: true });
  }
});

/** What is asked of a model with such names, and of one whose names are no text at all. */
const WORDS = [
  [[]],
  [['--verbose']],
  [['--json']],
  [['--dry-run']],
  [['--dry-run', '--verbose']],
  [['--dry-run', '--json']],
  [['--ignore', `*${CONTROLS}*none`]],
  [['--ignore', `re:${CONTROLS}(`, '--verbose']],
  [['--layer', `${HOSTILE}=bits:4`]],
  [['--config', `${HOSTILE}.json`]],
  [['--fail-under', '200']],
  [['--bits', HOSTILE]],
  [[`--${HOSTILE}`]],
  [['--bits', '4', '--min-elements', '1']],
] as const;

describe.each([
  ['model', model, WORDS],
  ['model with surrogates', surrogates, WORDS.slice(0, 6)],
] as const)('a %s', (_, path, words) => {
  it.each([[[]], [['--verbose']], [['--json']], [['--key', HOSTILE]]])('info %j', async (more) => {
    await run('info', path, ...more);
  });

  it.each(words)('quantize %j', async (more) => {
    const report = folder.at(`${HOSTILE}.json`);
    await run('quantize', path, '-o', output, '--report', report, ...more);
    if (folder.has(`${HOSTILE}.json`)) expectHarmless(readFileSync(report, 'utf8'));
    // The second time the output is there.
    await run('quantize', path, '-o', output, ...more);
  });
});

describe.each<[string[]]>([[[]], [['--verbose']], [['--json']]])(
  'what is done with outputs %j',
  (more) => {
    beforeEach(async () => {
      expect(await run('quantize', model, '-o', output)).toBe(0);
    });

    it('info and validate', async () => {
      await run('info', output, ...more);
      await run('validate', output, '--reference', model, ...more);
      await run('validate', model, '--reference', surrogates, ...more);
    });

    it('compare', async () => {
      await run('compare', model, output, ...more);
      await run('compare', model, surrogates, ...more);
    });

    it('dequantize and convert', async () => {
      const torch = folder.at(`${HOSTILE}.pt`);
      await run('dequantize', output, folder.at(`${HOSTILE}_float.safetensors`), ...more);
      await run('dequantize', model, folder.at(`${HOSTILE}_float.safetensors`), '--force', ...more);
      await run('convert', model, torch, ...more);
      await run('info', torch, ...more);
    });

    it('calibrate', async () => {
      const data = folder.write(`${HOSTILE}_data.safetensors`, [
        weights(HOSTILE, 'F32', [8, 64]),
        weights('none', 'F32', [8, 8]),
      ]);
      const calibration = folder.at('calibration.json');
      // It has nothing more to say.
      const words = more.filter((word) => word !== '--verbose');
      await run('calibrate', model, data, '-o', calibration, ...words);
      expectHarmless(readFileSync(calibration, 'utf8'));
      await run('calibrate', model, data, '-o', calibration, '--force', '--strict', ...words);
    });
  },
);

describe('errors', () => {
  it('of files that are not there', async () => {
    for (const command of ['info', 'validate', 'quantize']) {
      await run(command, `${model}x`, '--verbose');
      await run(command, `${model}x`, '--json');
    }
    await run(HOSTILE);
  });

  it.each([['--verbose'], ['--json']])('of files that are damaged %s', async (more) => {
    const broken = folder.at(`${HOSTILE}_broken.safetensors`);
    const codes: Tensor[] = [
      { name: `${HOSTILE}.weight`, dtype: 'I8', shape: [1, 1], bytes: new Uint8Array(1) },
      filled(`${HOSTILE}.weight_scale`, 'F32', [3, 1], [1, 1, 1]),
    ];
    const whole = writeSafetensors(codes);
    for (const bytes of [whole, whole.subarray(0, whole.length - 4), whole.subarray(0, 40)]) {
      writeFileSync(broken, bytes);
      await run('info', broken, more);
      await run('validate', broken, more);
      await run('quantize', broken, '-o', output, more);
    }
  });

  it('with their stacks', async () => {
    const { stderr } = await monoquant('info', `${folder.at('none')}\n    at FORGED`, '--verbose');
    expect(stderr).toContain('    at ');
    for (const line of stderr.split('\n')) expect(line).not.toMatch(/^\s*at FORGED/);
  });
});

describe.each([['--verbose'], ['--json']])('a folder of such names %s', (more) => {
  const inside = folder.at(HOSTILE);

  beforeEach(() => {
    mkdirSync(inside);
    copyFileSync(model, `${inside}/model.safetensors`);
  });

  it.each([
    `{"${HOSTILE}`,
    JSON.stringify({ model_type: HOSTILE, quantization_config: { quant_method: HOSTILE } }),
  ])('its configuration: %j', async (config) => {
    writeFileSync(`${inside}/config.json`, config);
    await run('info', inside, more);
    await run('quantize', inside, '-o', `${folder.at(`${HOSTILE}_folder`)}/`, more);
  });

  it.each([`${HOSTILE}.safetensors`, 'model.safetensors', 1])('its index: %j', async (file) => {
    const index = `${inside}/${HOSTILE}.safetensors.index.json`;
    writeFileSync(index, JSON.stringify({ weight_map: { [HOSTILE]: file } }));
    await run('info', inside, more);
    await run('validate', index, more);
  });
});

it('names in pickles', async () => {
  const path = folder.at('pickle.pt');
  writeFileSync(path, torchArchive(pickleOf(`evil${HOSTILE}`, `system${HOSTILE}`, HOSTILE)));
  for (const more of [[], ['--verbose'], ['--json'], ['--strict']]) {
    await run('info', path, ...more);
    await run('convert', path, output, '--force');
  }
  const { stdout } = await monoquant('info', path);
  expect(stdout).toContain('evil');
});

it('one very long name does not make every line as long', async () => {
  const long = folder.at('long.safetensors');
  const names = ['x'.repeat(1_000_000), ...Array.from({ length: 50 }, (_, i) => `b${i}`)];
  writeFileSync(
    long,
    writeSafetensors(names.map((name) => weights(`${name}.weight`, 'F32', [8, 64]))),
  );
  for (const words of [['info'], ['quantize', '--dry-run', '--verbose']]) {
    const { code, stdout } = await monoquant(words[0] ?? '', long, ...words.slice(1));
    expect(code).toBe(0);
    expect(stdout.length).toBeLessThan(10_000_000);
  }
});

/** A state dict of one tensor of that name, whose pickle also reaches for a name, and drops it. */
function pickleOf(module: string, name: string, tensor: string): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return Buffer.concat([Buffer.from('X'), length, bytes]);
  };
  const codes = (value: string) => Buffer.from(value, 'latin1');
  return Buffer.concat([
    codes('\x80\x04'),
    text(module),
    text(name),
    codes('\x930}('),
    text(tensor),
    codes('ctorch._utils\n_rebuild_tensor_v2\n(('),
    text('storage'),
    codes('ctorch\nFloatStorage\n'),
    text('0'),
    text('cpu'),
    codes('K\x01tQK\x00K\x01\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRu.'),
  ]);
}

/** A ZIP with stored members, as torch.save writes one. */
function torchArchive(pickle: Buffer): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of [
    ['archive/data.pkl', pickle],
    ['archive/data/0', Buffer.alloc(4)],
    ['archive/version', Buffer.from('3\n')],
  ] as const) {
    const sizes = Buffer.alloc(16);
    sizes.writeUInt32LE(crc32(content), 0);
    sizes.writeUInt32LE(content.length, 4);
    sizes.writeUInt32LE(content.length, 8);
    sizes.writeUInt16LE(name.length, 12);
    const local = Buffer.concat([
      Buffer.from('PK\x03\x04\x14\0\0\0\0\0\0\0\0\0', 'latin1'),
      sizes,
      Buffer.from(name),
      content,
    ]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([
        Buffer.from('PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0', 'latin1'),
        sizes,
        place,
        Buffer.from(name),
      ]),
    );
    parts.push(local);
    offset += local.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(3, 8);
  end.writeUInt16LE(3, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listing, end]);
}
