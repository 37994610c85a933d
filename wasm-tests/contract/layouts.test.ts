/**
 * Files that other tools have quantized: their values to the bit, or a refusal that names the layout.
 * It exists because codes that are taken for numbers give a model that loads, and is wrong.
 * Every call is tried on each: whoever needs numbers must be told alike.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { Dtype, MonoquantError } from '#package';
import type { AnyModel, Bytes } from '../host/host.js';
import { expectSameBytes, sha256 } from '../support/bytes.js';
import { helpfulFailureOf } from '../support/failures.js';
import { readFixture } from '../support/fixtures.js';
import { decodeFloats, encodeFloats } from '../support/floats.js';
import {
  elementBytes,
  elementsOf,
  readSafetensors,
  type Tensor,
  writeSafetensors,
} from '../support/safetensors.js';

interface Described {
  readonly exact: Readonly<Record<string, Exact>>;
  /** By the name of the file. */
  readonly pickled: Readonly<Record<string, Omit<Exact, 'config'>>>;
  readonly headers: readonly {
    readonly name: string;
    readonly config: object;
    readonly tensors: readonly Header[];
    /** Part of what it is called. */
    readonly layout: string;
    /** Whether such files are read if a configuration or another tensor tells more of them. */
    readonly known?: boolean;
  }[];
}

/** Name, dtype and shape. */
type Header = readonly [string, string, readonly number[]];

interface Exact {
  readonly config: object;
  readonly tensor: string;
  /** What the tool's own values fit into. */
  readonly dtype: string;
  readonly sha256: string;
}

const [DESCRIBED] = Object.values(
  import.meta.glob<Described>('../fixtures/layouts/layouts.json', {
    import: 'default',
    eager: true,
  }),
) as [Described];

const ONE = { threads: 1 } as const;

/** A folder where there is a configuration. */
function modelOf(bytes: Bytes, config: object = {}): AnyModel {
  if (Object.keys(config).length === 0) return bytes;
  return [
    { name: 'model.safetensors', bytes },
    { name: 'config.json', bytes: new TextEncoder().encode(JSON.stringify(config)) },
  ];
}

/** Zeros, where only names, dtypes and shapes matter. */
function zeros(tensors: readonly Header[]): Bytes {
  return writeSafetensors(
    tensors.map(([name, type, shape]): Tensor => {
      const dtype = type as Dtype;
      return { name, dtype, shape, bytes: new Uint8Array(elementsOf(shape) * elementBytes(dtype)) };
    }),
    { format: 'pt' },
  );
}

const OTHER = zeros([['a.weight', 'F32', [64, 64]]]);

/** All that wants numbers, by the call. */
const CALLS: Readonly<Record<string, (model: AnyModel) => Promise<unknown>>> = {
  dequantize: (model) => host.dequantize(model, ONE),
  validate: (model) => host.validate(model, ONE),
  compare: (model) => host.compare(OTHER, model, ONE),
  plan: async (model) => {
    const opened = await host.open(model, ONE);
    await opened.plan({ bits: 4 }).finally(() => opened.close());
  },
  'validate beside it': (model) => host.validate(model, { ...ONE, reference: OTHER }),
  'compare with it': (model) => host.compare(model, OTHER, ONE),
  load: async (model) => {
    const tensors = await host.load(model, ONE);
    const name = tensors.catalog.tensors[0]?.name ?? '';
    await tensors.tensor(name).finally(() => tensors.close());
  },
  'quantize to 8 bits': (model) => host.quantize(model, { bits: 8, ...ONE }),
  'quantize everything': (model) => host.quantize(model, { defaultIgnore: false, ...ONE }),
  'quantize to 16 bits': (model) => host.quantize(model, { bits: 16, ...ONE }),
};
/** One of each kind. */
const FIRST_CALLS = ['dequantize', 'validate', 'compare', 'plan'];

async function refusalsOf(model: AnyModel, calls = Object.keys(CALLS)) {
  const refusals = new Map<string, MonoquantError>();
  for (const call of calls) {
    const answer = CALLS[call]?.(model) ?? Promise.resolve();
    refusals.set(call, await helpfulFailureOf(answer));
  }
  return refusals;
}

describe('read to the bit', () => {
  it.each(Object.entries(DESCRIBED.exact))(
    '%s',
    async (name, { config, tensor, dtype, sha256: expected }) => {
      const model = modelOf(await readFixture(`layouts/${name}.safetensors`), config);
      const { output } = await host.dequantize(model, { dtype: 'F32', ...ONE });
      const file = readSafetensors(output);
      const values = file.tensors.get(tensor);
      expect(values?.dtype).toBe('F32');
      const floats = decodeFloats('F32', values?.bytes ?? new Uint8Array());
      expect(await sha256(encodeFloats(dtype as Dtype, floats))).toBe(expected);
      // Nothing is left of how they were stored.
      const left = [...file.tensors.keys()].filter((key) =>
        /scale|_data|idx|packed|shape/.test(key),
      );
      expect(left).toEqual([]);

      const loaded = await host.load(model, ONE);
      const { bytes } = await loaded.tensor(tensor);
      expectSameBytes(bytes, values?.bytes ?? new Uint8Array(), 'loaded');
      expect(loaded.catalog.foreign).toEqual([]);
      await loaded.close();

      expect((await host.validate(model, ONE)).problems).toEqual([]);
      const compared = await host.compare(output, model, ONE);
      expect(compared.tensors.every(({ verdict }) => verdict === 'identical')).toBe(true);
      for (const bits of [4, 8, 16] as const) {
        const again = await helpfulFailureOf(host.quantize(model, { bits, ...ONE }));
        expect(again.code).toBe('already-quantized');
        expect(again.suggestion).toContain('requantize');
      }
      // By request, what the codes stand for is quantized.
      for (const bits of [4, 8] as const) {
        const how = { bits, minElements: 0, scaleType: 'F32', ...ONE } as const;
        const again = await host.quantize(model, { ...how, requantize: true });
        const plain = await host.quantize(output, how);
        const [twice, once] = [again.output, plain.output].map(readSafetensors);
        const parts = [...(once?.tensors.keys() ?? [])].filter((name) => name.startsWith(tensor));
        expect(parts.length).toBeGreaterThan(1);
        for (const part of parts) {
          const bytes = twice?.tensors.get(part)?.bytes ?? new Uint8Array();
          expectSameBytes(bytes, once?.tensors.get(part)?.bytes ?? new Uint8Array(1), part);
        }
        expect(again.report.outputConfig.quantization).toMatchObject({
          quant_method: 'compressed-tensors',
        });
      }
    },
  );
});

describe('read to the bit, from pickles', () => {
  it.each(Object.entries(DESCRIBED.pickled))(
    '%s',
    async (file, { tensor, dtype, sha256: expected }) => {
      const loaded = await host.load(await readFixture(`layouts/${file}`), ONE);
      const { bytes } = await loaded.tensor(tensor);
      const floats = decodeFloats('F32', bytes);
      expect(await sha256(encodeFloats(dtype as Dtype, floats))).toBe(expected);
      expect(loaded.catalog.foreign).toEqual([]);
      await loaded.close();
    },
  );
});

describe('refused by name', () => {
  it.each(DESCRIBED.headers)('$name', async ({ config, tensors, layout, known = false }) => {
    const file = zeros(tensors);
    const model = modelOf(file, config);
    for (const [call, error] of await refusalsOf(model, FIRST_CALLS)) {
      // A plan does not look into the codes of a layout that is known.
      const isPlan = known && call === 'plan';
      expect(error.code, call).toBe(isPlan ? 'already-quantized' : 'unsupported-layout');
      expect(error.message, call).toContain(layout);
    }
    const { output } = await host.convert(model, ONE);
    const copied = readSafetensors(output);
    for (const [name, tensor] of readSafetensors(file).tensors) {
      expectSameBytes(copied.tensors.get(name)?.bytes ?? new Uint8Array(), tensor.bytes, name);
    }
  });

  it.each(['weight_amax_inv', 'weight.correction', 'alpha', 'weight_outlier_scale'])(
    'codes with a companion called %s, which nobody has heard of',
    async (companion) => {
      for (const dtype of ['F8_E4M3', 'I8', 'U8', 'I32']) {
        const model = zeros([
          ['model.layers.0.up_proj.weight', dtype, [64, 64]],
          [`model.layers.0.up_proj.${companion}`, 'F32', [64]],
          ['model.layers.0.down_proj.weight', 'F32', [64, 64]],
        ]);
        for (const [call, error] of Object.entries(await refusalsOf(model))) {
          expect(error.code, call).toBe('unsupported-layout');
          expect(error.tensor, call).toBe('model.layers.0.up_proj.weight');
        }
      }
    },
  );

  it('a configuration that speaks of codes, however the weights look', async () => {
    const file = zeros([['model.layers.0.up_proj.weight', 'BF16', [64, 64]]]);
    for (const quant_method of ['gptq', 'a-new-one']) {
      const quantization_config = { quant_method, bits: 4 };
      for (const config of [{ quantization_config }, { text_config: { quantization_config } }]) {
        for (const [call, error] of await refusalsOf(modelOf(file, config), FIRST_CALLS)) {
          expect(error.code, call).toBe('unsupported-layout');
          expect(error.message, call).toMatch(/configuration/);
        }
      }
    }
  });

  it('plain 8-bit floats are numbers', async () => {
    const model = zeros([
      ['double_blocks.0.img_mlp.0.weight', 'F8_E4M3', [64, 64]],
      ['double_blocks.0.img_mlp.0.bias', 'BF16', [64]],
      ['double_blocks.0.norm.scale', 'BF16', [64]],
    ]);
    const { report } = await host.quantize(model, { bits: 8, ...ONE });
    expect(report.tensors.map(({ name }) => name)).toEqual(['double_blocks.0.img_mlp.0.weight']);
  });
});
