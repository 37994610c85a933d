/**
 * Every kind of PyTorch file, in every host: exactly the tensors that PyTorch reads, or a refusal in words.
 * It exists because these files come from anywhere and were written by ten years of releases.
 * Nothing in them is run; what they name is listed.
 */
import { describe, expect, inject, it } from 'vitest';
import { host } from '#host';
import type { ErrorCode } from '#package';
import { expectSameBytes, sha256 } from '../support/bytes.js';
import { failureOf } from '../support/failures.js';
import { weights } from '../support/models.js';
import { modelOf } from '../support/runs.js';
import { readSafetensors } from '../support/safetensors.js';
import { oneOfEachKind, TORCH_FIXTURES, torchFixture } from '../support/torch.js';

/** The codes that blame a file. */
const CODES: readonly ErrorCode[] = [
  'unsupported-format',
  'malformed-file',
  'limit-exceeded',
  'file-truncated',
];
const WHOLE = { key: '', duplicateTies: true, threads: 1 } as const;

/** A browser only hands over bytes: whose they are, the same engine sees in Node. */
const FILES = inject('everyFixture') ? TORCH_FIXTURES : oneOfEachKind(TORCH_FIXTURES);

const due = (kind: string) => FILES.filter((fixture) => fixture.due === kind);

it('has files to look at', () => {
  const least = inject('everyFixture') ? [70, 40, 10, 5] : [10, 3, 3, 2];
  const kinds = ['load', 'reject', 'either', 'load_skip'];
  for (const [index, kind] of kinds.entries()) {
    expect(due(kind).length, kind).toBeGreaterThanOrEqual(least[index] ?? 0);
  }
});

describe.each(due('load'))('$path', ({ read, tensors }) => {
  it('comes out as PyTorch reads it, bit for bit', async () => {
    const model = await read();
    const { report, output } = await host.convert(model, WHOLE);
    const file = readSafetensors(output);
    const { dropped } = report;
    expect([...file.tensors.keys(), ...dropped.map(({ name }) => name)].sort()).toEqual(
      tensors.map(({ name }) => name).sort(),
    );
    for (const { reason } of dropped) expect(reason).toBe('not-representable');
    for (const expected of tensors) {
      const found = file.tensors.get(expected.name);
      if (found === undefined) continue;
      expect(found, expected.name).toMatchObject({ dtype: expected.dtype, shape: expected.shape });
      expect(await sha256(found.bytes.slice()), expected.name).toBe(expected.sha256);
    }
  });

  it('goes through .pt and back without losing a byte', async () => {
    const model = await read();
    const direct = await host.convert(model, WHOLE);
    const torch = await host.convert(model, { ...WHOLE, container: 'pt' });
    const opened = await host.open(torch.output, { key: '', threads: 1 });
    const { format, tensors: found } = opened.catalog;
    await opened.close();
    expect(format).toBe('torch-zip');
    expect(found.map(({ name }) => name).sort()).toEqual(tensors.map(({ name }) => name).sort());
    const back = await host.convert(torch.output, WHOLE);
    expectSameBytes(back.output, direct.output, 'after the round trip');
  });
});

it.each(due('reject'))('$path is refused', async ({ read }) => {
  const model = await read();
  const error = await failureOf(host.convert(model, WHOLE));
  expect(CODES, error.message).toContain(error.code);
  expect(await host.leftovers()).toEqual([]);
});

it.each([...due('either'), ...due('load_skip')])('$path loads or is refused', async ({ read }) => {
  const model = await read();
  const outcome = await host.convert(model, WHOLE).catch((error: unknown) => error);
  if (outcome instanceof Error) {
    expect(CODES, outcome.message).toContain((await failureOf(host.convert(model, WHOLE))).code);
  }
  expect(await host.leftovers()).toEqual([]);
});

async function catalogOf(path: string, options: { key?: string; stripPrefix?: string } = {}) {
  const model = await host.open(await torchFixture(path), { ...options, threads: 1 });
  await model.close();
  return model.catalog;
}

describe('which part of a checkpoint', () => {
  it('is the model, without the state of the optimizer', async () => {
    const catalog = await catalogOf('zip/checkpoint_nested.pt');
    expect(catalog).toMatchObject({ key: 'model', format: 'torch-zip' });
    expect(catalog.tensors.map(({ name }) => name)).toContain('net.0.weight');
    expect(catalog.tensors).toHaveLength(6);
    const optimizer = catalog.leftOut.find(({ name }) => name === 'optimizer');
    expect(optimizer).toMatchObject({ reason: 'optimizer state', tensors: 18 });
  });

  it('is what key says', async () => {
    const catalog = await catalogOf('zip/checkpoint_nested.pt', { key: 'optimizer' });
    expect(catalog.tensors.map(({ name }) => name)).toContain('state.0.exp_avg');
    const all = await catalogOf('zip/checkpoint_nested.pt', { key: '' });
    expect(all.leftOut).toEqual([]);
    expect(all.tensors).toHaveLength(25);
  });

  it('has to exist', async () => {
    const model = await torchFixture('zip/checkpoint_nested.pt');
    const error = await failureOf(host.open(model, { key: 'modle' }), 'invalid-options');
    expect(`${error.message} ${error.suggestion}`).toContain('"model"');
  });

  it("can lose a wrapper's prefix", async () => {
    const wrapped = await catalogOf('modules/dataparallel.pt');
    expect(wrapped.wrapperPrefix).toBe('module.');
    const bare = await catalogOf('modules/dataparallel.pt', { stripPrefix: 'module.' });
    expect(bare.wrapperPrefix).toBe('');
    expect(bare.tensors.map(({ name }) => `module.${name}`)).toEqual(
      wrapped.tensors.map(({ name }) => name),
    );
    const model = await torchFixture('modules/dataparallel.pt');
    await failureOf(host.open(model, { stripPrefix: 'model.' }), 'invalid-options');
  });

  it("can lose a wrapper's word inside of names", async () => {
    const names = (prefix: string) => [
      `layers.0.${prefix}q_proj.weight`,
      `layers.1.${prefix}q_proj.weight`,
      'norm.weight',
    ];
    const model = modelOf(names('_orig_mod.').map((name) => weights(name, 'F32', [16, 64])));
    const stripPrefix = '_orig_mod.';
    for (const options of [{}, { stripPrefix }]) {
      const opened = await host.open(model, { ...options, threads: 1 });
      const { catalog } = opened;
      await opened.close();
      const isBare = 'stripPrefix' in options;
      expect(catalog.wrapperPrefix).toBe(isBare ? '' : stripPrefix);
      expect(catalog.tensors.map(({ name }) => name).sort()).toEqual(
        names(isBare ? '' : stripPrefix),
      );
    }
  });
});

describe('what a pickle names', () => {
  it('is listed, and the dangerous ones are marked', async () => {
    const { globals, tensors } = await catalogOf('hostile/system_proto4.pt');
    expect(globals[0]).toMatchObject({ module: 'posix', name: 'system', danger: 'dangerous' });
    expect(globals.slice(1).every(({ danger }) => danger === 'safe')).toBe(true);
    expect(tensors.map(({ name }) => name)).toEqual(['w']);
  });

  it("is harmless in what PyTorch itself writes, but for classes of one's own", async () => {
    const { globals } = await catalogOf('modules/lstm_custom_class.pt');
    expect(globals.filter(({ danger }) => danger !== 'safe')).toEqual([
      { module: '__main__', name: 'TinyLSTM', danger: 'unknown' },
    ]);
  });
});

it('layer kinds come from the classes of torch.nn', async () => {
  const { tensors } = await catalogOf('modules/mha_custom_class.pt');
  const kinds = Object.fromEntries(tensors.map(({ name, kind }) => [name, kind]));
  expect(kinds).toMatchObject({
    'emb.weight': 'embedding',
    'norm.weight': 'norm',
    'attn.in_proj_weight': 'linear',
    'attn.out_proj.weight': 'linear',
    'attn.in_proj_bias': 'bias',
  });
  expect(tensors.find(({ name }) => name === 'emb.weight')?.moduleType).toBe(
    'torch.nn.modules.sparse.Embedding',
  );
});

describe('ties', () => {
  const tied = () => torchFixture('zip/tied.pt');

  it('are shown', async () => {
    const { tensors } = await catalogOf('zip/tied.pt');
    const ties = tensors.filter(({ tiedTo }) => tiedTo !== undefined);
    expect(ties.map(({ name, tiedTo }) => [name, tiedTo])).toEqual([['head.weight', 'emb.weight']]);
  });

  it('are written once, with a note of the other name, which comes back', async () => {
    const { output, report } = await host.convert(await tied(), { threads: 1 });
    const file = readSafetensors(output);
    expect(file.tensors.has('head.weight')).toBe(false);
    expect(file.metadata).toMatchObject({ 'head.weight': 'emb.weight' });
    expect(report.tied.find(({ name }) => name === 'head.weight')).toMatchObject({
      decision: 'tie',
      reason: 'tied',
    });
    const again = await host.open(output, { threads: 1 });
    await again.close();
    expect(again.catalog.tensors.find(({ name }) => name === 'head.weight')?.tiedTo).toBe(
      'emb.weight',
    );
  });

  it('are left alone by default, and quantized together where one name is chosen', async () => {
    const options = { minElements: 0, threads: 1 } as const;
    for (const pattern of ['emb.weight', 'head.weight']) {
      const { output, report } = await host.quantize(await tied(), {
        ...options,
        overrides: [{ pattern, bits: 8 }],
      });
      const file = readSafetensors(output);
      expect(file.tensors.get('emb.weight')?.dtype).toBe('I8');
      expect(file.metadata).toMatchObject({
        'head.weight': 'emb.weight',
        'head.weight_scale': 'emb.weight_scale',
      });
      expect(report.tensors.map(({ name }) => name)).toContain('emb.weight');
    }
  });
});

it('a checkpoint and its conversion are quantized to the same bytes', async () => {
  const checkpoint = await torchFixture('hf/bert/pytorch_model.bin');
  const { output: converted } = await host.convert(checkpoint, { threads: 1 });
  const options = { minElements: 0, threads: 1 } as const;
  const fromTorch = await host.quantize(checkpoint, options);
  const fromSafetensors = await host.quantize(converted, options);
  expect(fromTorch.report.tensors.length).toBeGreaterThan(3);
  expectSameBytes(fromTorch.output, fromSafetensors.output, 'quantized');
});

it.each(['container/deflated.pt', 'zip/views.pt', 'legacy/views_tied.pt'])(
  '%s is quantized as its plain copy is, however it is shared out',
  async (path) => {
    const checkpoint = await torchFixture(path);
    const { output: plain } = await host.convert(checkpoint, { threads: 1, key: '' });
    const options = { key: '', bits: 16 } as const;
    const expected = await host.quantize(plain, { ...options, threads: 1 });
    for (const { run } of [{ run: { threads: 1 } }, ...host.engines]) {
      const { output } = await host.quantize(checkpoint, { ...options, ...run });
      expectSameBytes(output, expected.output, JSON.stringify(run));
    }
  },
);
