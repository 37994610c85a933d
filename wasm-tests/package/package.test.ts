/**
 * The package as it is published: packed, installed somewhere else, run and imported there.
 * It exists because a checkout has everything, and what is missing in the tarball shows only to others.
 * Nothing is fetched: the package has no dependencies.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { weights } from '../support/models.js';

/** For those who ask what is in it. */
const EXTRAS = ['dist/THIRD_PARTY.txt', 'dist/bom.cdx.json', 'dist/man/monoquant.1'];

const ROOT = join(import.meta.dirname, '../..');
const PACK = join(ROOT, 'scripts/pack.mjs');
const folder = new Folder();
const project = folder.at('project');

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly {
    readonly path: string;
    readonly size: number;
    readonly mode: number;
  }[];
}
let packed: Packed;

beforeAll(() => {
  // dist/ is tested as it is.
  packed = JSON.parse(run(process.execPath, [PACK, '--to', folder.path, '--json'], ROOT)) as Packed;
  mkdirSync(project);
  write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const install = ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  run('npm', [...install, folder.at(packed.filename)], project);
  folder.write('project/model.safetensors', [weights('fc.weight', 'F32', [16, 128])]);
});

describe('the tarball', () => {
  it('contains dist, and what belongs to every package', () => {
    const others = packed.files.map(({ path }) => path).filter((path) => !path.startsWith('dist/'));
    const expected = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json'];
    expect(others.sort()).toEqual(expected);
  });

  it('contains no sources, no tests, and is small', () => {
    for (const { path } of packed.files) {
      if (!path.startsWith('dist/') || EXTRAS.includes(path)) continue;
      expect(path).toMatch(/^dist\/(node|browser|wasm|types)\/.*\.(js|js\.map|mjs|wasm|d\.ts)$/);
    }
    // A tenth of it is zstd, which no page loads before somebody drops a compressed model.
    expect(packed.size).toBeLessThan(1.9e6);
  });

  it('has programs that can be run', () => {
    const cli = packed.files.find(({ path }) => path === 'dist/node/cli.js');
    expect((cli?.mode ?? 0) & 0o111).toBe(0o111);
  });

  it('names no machine', () => {
    for (const { path } of packed.files) {
      const text = readFileSync(join(installed(), path), 'latin1');
      // As a path begins, not as a part of a word or of an address.
      expect(/(?<![\w.:/-])\/(root|home|work|tmp)\/[\w.-]+/.exec(text)?.[0], path).toBeUndefined();
    }
  });
});

describe('package.json', () => {
  it('has no dependencies, and nothing that only the checkout needs', () => {
    const manifest = manifestOf(installed());
    const absent = ['dependencies', 'peerDependencies', 'optionalDependencies', 'devDependencies'];
    for (const key of [...absent, 'scripts', 'allowScripts', 'private']) {
      expect(manifest).not.toHaveProperty(key);
    }
  });

  it('of the checkout cannot be published', () => {
    expect(manifestOf(ROOT)).toMatchObject({ private: true });
  });

  const missing = ['repository', 'homepage', 'bugs'].filter((key) => !(key in manifestOf(ROOT)));
  it.runIf(missing.length > 0)('is refused for a release without its addresses', () => {
    for (const key of missing)
      expect(() => run(process.execPath, [PACK, '--release'], ROOT)).toThrow(`no ${key}`);
  });

  it('leads to files that are there', () => {
    const { bin, exports } = manifestOf(installed());
    const targets = Object.values(bin).concat(leaves(exports));
    expect(targets.length).toBeGreaterThan(5);
    for (const target of targets) {
      if (!target.includes('*')) expect(existsSync(join(installed(), target)), target).toBe(true);
    }
  });
});

describe('installed', () => {
  it.each(['monoquant', 'mq'])('runs as %s', (name) => {
    const words = ['--no-install', name, 'quantize', 'model.safetensors', '--force', '--json'];
    const report = JSON.parse(run('npx', words, project)) as { version: string };
    expect(report.version).toBe(manifestOf(installed()).version);
    expect(existsSync(join(project, 'model-int8.safetensors'))).toBe(true);
  });

  it('is imported by name', () => {
    write(
      'program.js',
      `import { open, quantize, version } from 'monoquant';
       const result = await quantize('model.safetensors', { bits: 4, threads: 2 });
       await result.save('saved.safetensors', { force: true });
       const model = await open('saved.safetensors');
       console.log(model.catalog.tensors.length, version());`,
    );
    const { version } = manifestOf(installed());
    // The program closes nothing, and ends all the same.
    expect(run(process.execPath, ['program.js'], project)).toBe(`3 ${version}\n`);
  });

  it('has types that a strict program compiles with', () => {
    write(
      'program.ts',
      `import { MonoquantError, open, type Plan, quantize, type Report } from 'monoquant';
       const model = await open(new URL('model.safetensors', import.meta.url), { threads: 1 });
       const plan: Plan = await model.plan({ bits: 4, groupSize: 64 });
       const result = await quantize('model.safetensors', { output: 'o.safetensors', failUnder: 20 });
       const report: Report = result.report;
       const sqnrDb: number | null = report.sqnrDb;
       export const name: string | undefined = plan.tensors[0]?.name;
       export const isOurs = (error: unknown) => error instanceof MonoquantError && error.code;
       // @ts-expect-error: there are no nine bits
       await quantize('model.safetensors', { bits: 9 });
       await result.save(String(sqnrDb));`,
    );
    const types = { types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] };
    expect(compile({ module: 'nodenext', lib: ['es2022'], ...types })).toBe('');
    // And the page's half, for whom there are no paths.
    write(
      'program.ts',
      `import { open, quantize } from 'monoquant';
       const result = await quantize(new Blob([]), { bits: 8 });
       export const blob: Blob = result.blob();
       // @ts-expect-error: a page has no paths
       await open('model.safetensors');`,
    );
    const resolution = { moduleResolution: 'bundler', customConditions: ['browser'] };
    expect(compile({ module: 'esnext', lib: ['es2022', 'dom'], ...resolution })).toBe('');
  });

  it.each([
    { module: 'esnext', moduleResolution: 'bundler' },
    { module: 'nodenext', moduleResolution: 'nodenext' },
    { module: 'node16', moduleResolution: 'node16' },
  ])('has types for files and for Blobs with $moduleResolution', (resolution) => {
    write(
      'program.ts',
      `import { type BlobResult, type FileResult, configure, modelOf, open, quantize } from 'monoquant';
       configure({ workerUrl: new URL('worker.js', import.meta.url) });
       const file = new File([], 'model.safetensors');
       const result: BlobResult = await quantize(file, { bits: 4 });
       export const blob: Blob = result.blob();
       const model = await open(await modelOf([file]));
       await (await model.convert()).close();
       const saved = await quantize('model.safetensors', { output: 'o' });
       await saved.save('other.safetensors');
       // Node takes a Blob as well, and can write it to a path.
       const inNode: FileResult = await quantize(file, { output: 'o.pt' });
       await inNode.save(new URL('o.safetensors', import.meta.url));
       // @ts-expect-error: no host takes a number
       await quantize(5);`,
    );
    expect(compile({ lib: ['es2022', 'dom'], ...resolution })).toBe('');
  });

  it('gives its WebAssembly files to those who host them themselves', () => {
    const { resolve } = createRequire(pathToFileURL(join(project, 'program.js')));
    for (const kind of ['st', 'mt']) {
      expect(existsSync(resolve(`monoquant/wasm/monoquant-${kind}.wasm`))).toBe(true);
    }
  });
});

interface Manifest {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: unknown;
}

function manifestOf(path: string): Manifest {
  return JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest;
}

function installed(): string {
  return join(project, 'node_modules/monoquant');
}

function write(name: string, text: string): void {
  writeFileSync(join(project, name), text);
}

/** Returns what it printed; fails with that when it fails. */
function run(program: string, words: readonly string[], cwd: string): string {
  // Not as a part of the npm that runs these tests.
  const env = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'));
  const options = { cwd, encoding: 'utf8', env: Object.fromEntries(env) } as const;
  const { status, stdout, stderr } = spawnSync(program, words, options);
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** What the compiler complains about. */
function compile(options: object): string {
  const always = { target: 'es2022', strict: true, noEmit: true, types: [] };
  const compilerOptions = { ...always, ...options };
  write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['program.ts'] }));
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { stdout } = spawnSync(process.execPath, [compiler, '-p', project], { encoding: 'utf8' });
  return stdout;
}

function leaves(value: unknown): string[] {
  return typeof value === 'string' ? [value] : Object.values(value as object).flatMap(leaves);
}
