/**
 * The PyTorch files of fixtures/torch and what is due for each.
 * It exists so that a file added there is tested everywhere without anybody naming it.
 * Tensors are what PyTorch itself read from the file, with the SHA-256 of their bytes.
 */
import type { Dtype } from '#package';
import type { Bytes } from '../host/host.js';
import { readFixture } from './fixtures.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether a test looks at each file, or at one of each kind. */
    readonly everyFixture: boolean;
  }
}

export type Due = 'load' | 'load_skip' | 'reject' | 'either';

export interface TorchTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly sha256: string;
}

export interface TorchFixture {
  /** In fixtures/torch. */
  readonly path: string;
  readonly due: Due;
  /** Where it is to be loaded: the whole file, in no order. */
  readonly tensors: readonly TorchTensor[];
  read(): Promise<Bytes>;
}

type Row = readonly [dtype: string, shape: number[], strides: unknown, first: unknown, sha: string];
interface Entry {
  readonly expect: string;
  readonly tensors?: Readonly<Record<string, unknown>>;
}

const EXPECTATIONS = import.meta.glob<Readonly<Record<string, Entry>>>(
  '../fixtures/torch/expectations.json',
  { import: 'default', eager: true },
);

export const TORCH_FIXTURES: readonly TorchFixture[] = Object.values(EXPECTATIONS)
  .flatMap((file) => Object.entries(file))
  .map(([path, { expect, tensors = {} }]) => ({
    path,
    due: expect as Due,
    tensors: Object.entries(tensors).map(([name, row]) => {
      const [dtype, shape, , , sha256] = row as Row;
      return { name, dtype: dtype as Dtype, shape, sha256 };
    }),
    read: () => readFixture(`torch/${path}`),
  }));

/** The first file of each folder, for each of what may be due. */
export function oneOfEachKind(fixtures: readonly TorchFixture[]): readonly TorchFixture[] {
  const kinds = new Set<string>();
  return fixtures.filter(({ path, due }) => {
    const kind = `${path.slice(0, path.lastIndexOf('/'))} ${due}`;
    return !kinds.has(kind) && kinds.add(kind);
  });
}

export function torchFixture(path: string): Promise<Bytes> {
  return readFixture(`torch/${path}`);
}
