/**
 * Writes and reads safetensors files, for tests only.
 * It exists so that what the engine reads and writes is judged by code that shares nothing with it.
 * The reader refuses whatever the format forbids: holes, overlaps, trailing bytes, wrong sizes.
 */
import type { Dtype } from '#package';
import type { Bytes } from '../host/host.js';

export interface Tensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Bytes;
}

export interface PlacedTensor extends Tensor {
  /** In the file. */
  readonly offset: number;
}

export interface TensorFile {
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
  /** Where the tensors begin. */
  readonly dataStart: number;
}

const BITS: Readonly<Record<string, number>> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

export function elementBytes(dtype: Dtype): number {
  const bits = BITS[dtype];
  if (bits === undefined) throw new Error(`${dtype} is no type of these tests.`);
  return bits / 8;
}

export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** The tensors follow one another in the order given. */
export function writeSafetensors(tensors: readonly Tensor[], metadata?: Notes): Bytes {
  const header = headerOf(tensors, metadata);
  const size = tensors.reduce((sum, { bytes }) => sum + bytes.length, header.length);
  const file = new Uint8Array(size);
  file.set(header);
  let position = header.length;
  for (const { bytes } of tensors) {
    file.set(bytes, position);
    position += bytes.length;
  }
  return file;
}

type Described = Omit<Tensor, 'bytes'> & { readonly bytes: { readonly length: number } };

/** As text: objects would put names first that look like numbers. */
function member(key: string, json: string): string {
  return `${JSON.stringify(key)}:${json}`;
}

/** Notes of a file; a map keeps their order whatever they are called. */
export type Notes = Readonly<Record<string, string>> | ReadonlyMap<string, string>;

/** The first bytes of a file; `bytes` of the tensors are looked at for their length only. */
export function headerOf(tensors: readonly Described[], metadata?: Notes): Bytes {
  const entries: string[] = [];
  if (metadata !== undefined) {
    const notes = metadata instanceof Map ? [...metadata] : Object.entries(metadata);
    entries.push(
      member(
        '__metadata__',
        `{${notes.map(([key, value]) => member(key, JSON.stringify(value))).join()}}`,
      ),
    );
  }
  let position = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    const place = { dtype, shape, data_offsets: [position, position + bytes.length] };
    entries.push(member(name, JSON.stringify(place)));
    position += bytes.length;
  }
  const json = new TextEncoder().encode(`{${entries.join()}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  return header;
}

interface Entry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

export function readSafetensors(file: Bytes): TensorFile {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const dataStart = 8 + length;
  if (dataStart > file.length) throw new Error('The header is longer than the file.');
  const text = new TextDecoder('utf-8', { fatal: true }).decode(file.subarray(8, dataStart));
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(text) as {
    __metadata__?: Record<string, string>;
  } & Record<string, Entry>;
  const sorted = Object.entries(entries as Record<string, Entry>).sort(
    ([, { data_offsets: a }], [, { data_offsets: b }]) => a[0] - b[0] || a[1] - b[1],
  );
  const tensors = new Map<string, PlacedTensor>();
  let position = 0;
  for (const [
    name,
    {
      dtype,
      shape,
      data_offsets: [begin, end],
    },
  ] of sorted) {
    if (begin !== position) throw new Error(`"${name}" begins at ${begin}, not at ${position}.`);
    const size = elementsOf(shape) * elementBytes(dtype);
    if (end - begin !== size) throw new Error(`"${name}" has ${end - begin} bytes, not ${size}.`);
    const bytes = file.slice(dataStart + begin, dataStart + end);
    tensors.set(name, { name, dtype, shape, bytes, offset: dataStart + begin });
    position = end;
  }
  if (dataStart + position !== file.length) throw new Error('There are bytes after the tensors.');
  return { metadata, tensors, dataStart };
}

export function tensorOf(file: TensorFile, name: string): PlacedTensor {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw new Error(`There is no tensor "${name}".`);
  return tensor;
}
