/**
 * `open` finds in a file exactly what PyTorch and the format's own reader find in it.
 * It exists because everything after rests on the catalog: names, types, shapes and places.
 * Each file of fixtures/safetensors comes with what PyTorch said about it.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { Catalog, Dtype } from '#package';
import type { Bytes } from '../host/host.js';
import { sha256 } from '../support/bytes.js';
import { fixturesIn } from '../support/fixtures.js';
import { elementsOf, readSafetensors } from '../support/safetensors.js';

/** PyTorch's names for the types of the format. */
const DTYPES: Readonly<Record<string, Dtype>> = {
  bool: 'BOOL',
  uint8: 'U8',
  int8: 'I8',
  float8_e5m2: 'F8_E5M2',
  float8_e4m3fn: 'F8_E4M3',
  float8_e8m0fnu: 'F8_E8M0',
  float8_e4m3fnuz: 'F8_E4M3FNUZ',
  float8_e5m2fnuz: 'F8_E5M2FNUZ',
  int16: 'I16',
  uint16: 'U16',
  float16: 'F16',
  bfloat16: 'BF16',
  int32: 'I32',
  uint32: 'U32',
  float32: 'F32',
  complex64: 'C64',
  float64: 'F64',
  int64: 'I64',
  uint64: 'U64',
};

const FIXTURES = fixturesIn('safetensors');

it('has files to look at', () => expect(FIXTURES.length).toBeGreaterThan(5));

describe.each(FIXTURES)('$name', ({ expectations, read }) => {
  it('has the tensors that PyTorch found in it', async () => {
    const file = await read();
    const { tensors } = await catalogOf(file);
    expect(tensors.map(({ name }) => name).sort()).toEqual(
      Object.keys(expectations.tensors).sort(),
    );
    for (const { name, dtype, shape, bytes, offset } of tensors) {
      const expected = expectations.tensors[name];
      expect({ name, dtype, shape, bytes }).toEqual({
        name,
        dtype: DTYPES[expected?.dtype ?? ''],
        shape: expected?.shape,
        bytes: expected?.nbytes,
      });
      expect(await sha256(file.slice(offset, offset + bytes)), name).toBe(expected?.sha256);
    }
  });

  it('is described as the format has it', async () => {
    const file = await read();
    const catalog = await catalogOf(file);
    const { metadata, tensors } = readSafetensors(file);
    expect(catalog).toMatchObject({ format: 'safetensors', bytes: file.length, metadata });
    expect(catalog.parameters).toBe(
      catalog.tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    );
    const offsets = catalog.tensors.map(({ offset }) => offset);
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
    for (const { name, offset } of catalog.tensors) expect(tensors.get(name)?.offset).toBe(offset);
  });
});

async function catalogOf(file: Bytes): Promise<Catalog> {
  const model = await host.open(file);
  await model.close();
  return model.catalog;
}
