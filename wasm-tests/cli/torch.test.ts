/**
 * PyTorch files on the command line: looking into them, taking tensors out, writing them.
 * It exists because the exit codes and the words are what people and pipelines rely on.
 * Debian's PyTorch, where it is installed, says whether it takes what was written.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { readSafetensors } from '../support/safetensors.js';
import { parseCatalog, parsePlan, parseReport } from '../support/schema.js';

const FIXTURES = join(import.meta.dirname, '../fixtures/torch');
const PYTHON = '/usr/bin/python3';
const folder = new Folder();
const fixture = (path: string) => join(FIXTURES, path);

describe('info', () => {
  it('names what a pickle reaches for, and exits with 4 where that is asked for', async () => {
    const model = fixture('hostile/system_proto4.pt');
    const quiet = await monoquant('info', model);
    expect(quiet).toMatchObject({ code: 0 });
    expect(quiet.stdout).toContain('DANGEROUS: posix.system');
    const strict = await monoquant('info', model, '--strict');
    expect(strict.code).toBe(4);
    expect(strict.stderr).toContain('posix.system');
    expect(strict.stdout).toContain('DANGEROUS: posix.system');
    const harmless = await monoquant('info', fixture('zip/tied.pt'), '--strict');
    expect(harmless).toMatchObject({ code: 0, stderr: '' });
  });

  it('prints one document with everything in it', async () => {
    const { stdout } = await monoquant('info', fixture('zip/checkpoint_nested.pt'), '--json');
    const catalog = parseCatalog(stdout);
    expect(catalog.key).toBe('model');
    expect(catalog.leftOut.map(({ name }) => name)).toEqual(['optimizer', 'rng']);
    expect(catalog.globals.map(({ name }) => name)).toContain('Namespace');
  });

  it('shows parts, prefixes and ties', async () => {
    const nested = await monoquant('info', fixture('zip/checkpoint_nested.pt'));
    expect(nested.stdout).toMatch(/part +model\n/);
    expect(nested.stdout).toMatch(/left out +optimizer: optimizer state, 18 tensors/);
    const wrapped = await monoquant('info', fixture('modules/dataparallel.pt'));
    expect(wrapped.stdout).toContain('--strip-prefix module.');
    const tied = await monoquant('info', fixture('zip/tied.pt'));
    expect(tied.stdout).toMatch(/head\.weight .* = emb\.weight/);
  });
});

it('sizes are those of what was taken, beside that of the file', async () => {
  const model = fixture('zip/checkpoint_nested.pt');
  const words = ['quantize', model, '--bits', '16', '--dry-run'];
  const { stdout } = await monoquant(...words);
  const { sizes, tensors } = parsePlan((await monoquant(...words, '--json')).stdout);
  expect(sizes.tensorBytes).toBe(tensors.reduce((sum, { bytes }) => sum + bytes, 0));
  expect(sizes.tensorBytes).toBeLessThan(sizes.sourceBytes / 2);
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
  const before = `${kilobytes(sizes.tensorBytes)} of ${kilobytes(sizes.sourceBytes)}`;
  expect(stdout).toMatch(new RegExp(`^size +${before} → `, 'm'));
  const ratio = (sizes.tensorBytes / sizes.outputBytes).toFixed(2);
  expect(stdout).toContain(`${ratio}× smaller`);
});

describe('convert', () => {
  it('needs a model and an output whose name says what it is', async () => {
    const model = fixture('zip/tied.pt');
    for (const words of [[], [model], [model, folder.at('a.pt'), 'b'], [model, 'a.onnx']]) {
      const { code, stderr } = await monoquant('convert', ...words);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^monoquant: Expected/);
    }
  });

  it('copies bit for bit, and never over what exists', async () => {
    const output = folder.at('copied.safetensors');
    const words = ['convert', fixture('zip/tied.pt'), output];
    const { code, stdout } = await monoquant(...words);
    expect(code).toBe(0);
    expect(stdout).toMatch(/copied +4 tensors, bit for bit\ntied +1 more name/);
    expect([...readSafetensors(new Uint8Array(readFileSync(output))).tensors.keys()]).toEqual([
      'emb.weight',
      'view.first2',
      'view.flat',
      'view.last',
    ]);
    expect((await monoquant(...words)).code).toBe(2);
    const again = await monoquant(...words, '--force', '--duplicate-ties', '--json');
    expect(parseReport(again.stdout).configuration).toMatchObject({
      bits: 'none',
      duplicateTies: true,
    });
  });

  it('takes everything with an empty key', async () => {
    const output = folder.at('everything.safetensors');
    const model = fixture('zip/checkpoint_nested.pt');
    expect((await monoquant('convert', model, output, '--key', '')).code).toBe(0);
    expect(readSafetensors(new Uint8Array(readFileSync(output))).tensors.size).toBe(25);
  });

  it('says what the output cannot hold', async () => {
    const output = folder.at('complex.safetensors');
    const { code, stderr } = await monoquant('convert', fixture('zip/dtype_c32.pt'), output);
    expect(code).toBe(0);
    expect(stderr).toContain('no dtype');
    const strict = folder.at('strict.safetensors');
    const words = ['convert', fixture('zip/dtype_c32.pt'), strict, '--strict'];
    expect((await monoquant(...words)).code).toBe(4);
    expect(existsSync(strict)).toBe(false);
  });
});

describe('quantize', () => {
  it('writes safetensors unless the name says otherwise', async () => {
    const model = fixture('modules/lstm_custom_class.pt');
    const words = ['--min-elements', '0', '--json'];
    const output = folder.at('small.pth');
    const torch = await monoquant('quantize', model, '-o', output, ...words);
    expect(parseReport(torch.stdout).configuration.container).toBe('pt');
    expect(parseCatalog((await monoquant('info', output, '--json')).stdout)).toMatchObject({
      format: 'torch-zip',
      metadata: { quantization_config: expect.stringContaining('compressed-tensors') },
    });
  });
});

const hasTorch = (() => {
  try {
    execFileSync(PYTHON, ['-c', 'import torch'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Compares a state dict with a safetensors file of the same tensors, and checks every record's checksum. */
const COMPARE = `
import json, struct, sys, torch, zipfile
pt, st = sys.argv[1:]
assert zipfile.ZipFile(pt).testzip() is None
state = torch.load(pt, weights_only=True)
data = open(st, "rb").read()
length, = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + length])
header.pop("__metadata__", None)
assert set(state) == set(header), set(state) ^ set(header)
for name, entry in header.items():
    begin, end = entry["data_offsets"]
    tensor = state[name].contiguous()
    assert list(tensor.shape) == entry["shape"], name
    raw = bytes(tensor.view(-1).numpy().view("uint8")) if tensor.numel() else b""
    assert raw == data[8 + length + begin:8 + length + end], name
print(len(state))
`;

describe.skipIf(!hasTorch)("Debian's PyTorch", () => {
  it.each([
    ['hf/bert/pytorch_model.bin', []],
    ['hf/bert/pytorch_model.bin', ['--bits', '8', '--min-elements', '0']],
    ['hf/bert/pytorch_model.bin', ['--bits', '4', '-s', 'asymmetric', '--min-elements', '0']],
    ['legacy/views_tied.pt', ['--bits', '16']],
    ['zip/scalar_and_empty.pt', []],
  ])('loads %s %j written as .pt', async (model, words) => {
    const command = words.length === 0 ? ['convert', fixture(model)] : ['quantize', fixture(model)];
    const torch = folder.at('written.pt');
    const safetensors = folder.at('written.safetensors');
    for (const output of [torch, safetensors]) {
      const where = words.length === 0 ? [output] : ['-o', output];
      const all = [...command, ...where, ...words, '--force', '--duplicate-ties'];
      const { code, stderr } = await monoquant(...all);
      expect(code, stderr).toBe(0);
    }
    const count = execFileSync(PYTHON, ['-c', COMPARE, torch, safetensors], { encoding: 'utf8' });
    expect(Number(count)).toBeGreaterThan(3);
  });

  it('sees tied tensors share their memory', async () => {
    const output = folder.at('tied.pt');
    expect((await monoquant('convert', fixture('zip/tied.pt'), output)).code).toBe(0);
    const script = `import torch; s = torch.load(${JSON.stringify(output)}, weights_only=True)
print(s["emb.weight"].data_ptr() == s["head.weight"].data_ptr())`;
    expect(execFileSync(PYTHON, ['-c', script], { encoding: 'utf8' }).trim()).toBe('True');
  });
});
