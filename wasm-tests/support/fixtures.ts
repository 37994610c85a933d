/**
 * The files of fixtures/: what is there, and what stands beside each about it.
 * It exists so that a file added to fixtures/ is tested without anybody naming it.
 * Works in every host: the lists are made when the tests are compiled, the bytes come through the host.
 */
import { host } from '#host';
import type { Bytes } from '../host/host.js';

/** What PyTorch says of a file. */
export interface Expectations {
  readonly expect: 'load' | 'reject' | 'either';
  readonly note: string;
  readonly tensors: Readonly<Record<string, ExpectedTensor>>;
}

export interface ExpectedTensor {
  /** As PyTorch calls it. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly nbytes: number;
  readonly sha256: string;
}

export interface Fixture {
  /** Without folder and extension. */
  readonly name: string;
  readonly expectations: Expectations;
  read(): Promise<Bytes>;
}

const DESCRIPTIONS = import.meta.glob<Expectations>(
  ['../fixtures/safetensors/*.json', '../fixtures/safetensors_bad/*.json'],
  { import: 'default', eager: true },
);

export function fixturesIn(folder: 'safetensors' | 'safetensors_bad'): readonly Fixture[] {
  const found: Fixture[] = [];
  for (const [path, expectations] of Object.entries(DESCRIPTIONS)) {
    const name = new RegExp(`/fixtures/${folder}/(.*)\\.safetensors\\.json$`).exec(path)?.[1];
    if (name === undefined) continue;
    const read = () => readFixture(`${folder}/${name}.safetensors`);
    found.push({ name, expectations, read });
  }
  return found;
}

export function readFixture(path: string): Promise<Bytes> {
  return host.readFile(`/wasm-tests/fixtures/${path}`);
}
