/**
 * What of others is passed on: its notices, its bill of materials, its versions, and nothing of the machine.
 * It exists because all of this is owed to people who cannot see how the package was made.
 * What is in the engine is read off the engine and its map, not off the lists that are tested.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../support/markdown.js';

const DIST = join(ROOT, 'dist');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const readJson = (path: string) => JSON.parse(read(path));

interface Component {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly purl: string;
  readonly notice: string;
}
const componentsOf = (part: string): Component[] => readJson(`dist/components/${part}.json`);

/** Words that only the library itself says in a bundle, and in the engine's map of symbols. */
const MARKS = {
  site: {
    preact: /__k|_children/,
    uplot: /u-wrap|uplot/,
    '@preact/signals-core': /Cycle detected/,
  },
  wasm: {
    zlib: /\binflate\b/,
    'nlohmann/json': /nlohmann/,
    musl: /\(libc|\/libc[-.]/,
    LLVM: /libc\+\+/,
  },
};

describe('notices', () => {
  it.each(Object.entries(MARKS.site))('of %s are in the site, which holds it', (name, mark) => {
    const assets = join(DIST, 'site/assets');
    const scripts = readdirSync(assets).filter((file) => file.endsWith('.js'));
    expect(scripts.some((file) => mark.test(readFileSync(join(assets, file), 'utf8')))).toBe(true);
    expectNotice('dist/site/third-party.txt', name);
  });

  it.each(Object.entries(MARKS.wasm))('of %s are in package and site', (name, mark) => {
    const hasMap = existsSync(join(ROOT, 'build/wasm-st/monoquant-st.map'));
    // A package that was built elsewhere comes without.
    if (hasMap) expect(read('build/wasm-st/monoquant-st.map')).toMatch(mark);
    expectNotice('dist/site/third-party.txt', name);
    expectNotice('dist/THIRD_PARTY.txt', name);
  });

  it('name every component that the build has put in, with its copyright or its dedication', () => {
    const inPackage = [...componentsOf('wasm'), ...componentsOf('ts')];
    for (const [file, components] of [
      ['dist/THIRD_PARTY.txt', inPackage],
      ['dist/site/third-party.txt', [...inPackage, ...componentsOf('site')]],
    ] as const) {
      const text = read(file);
      for (const { name, version, notice } of components) {
        expect(text).toContain(`${name} ${version}\n`);
        expect(text).toContain(notice);
        expect(notice).toMatch(/copyright|public domain/i);
      }
    }
  });

  it('are linked from the page', () => {
    const assets = join(DIST, 'site/assets');
    const scripts = readdirSync(assets).filter((file) => file.endsWith('.js'));
    const links = scripts.some((file) =>
      readFileSync(join(assets, file), 'utf8').includes('./third-party.txt'),
    );
    expect(links).toBe(true);
  });
});

function expectNotice(file: string, name: string): void {
  const start = new RegExp(`^-{80}\\n${name.replace('/', '\\/')}.* .*\\n.*\\n-{80}\\n`, 'm');
  const [, section = ''] = read(file).split(start);
  expect(section.slice(0, 2000), `${file}: ${name}`).toMatch(/copyright/i);
}

describe('the bill of materials', () => {
  it('lists what is compiled and bundled in, and nothing else', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/bom.mjs'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const { bomFormat, metadata, components } = readJson('dist/bom.cdx.json');
    expect(bomFormat).toBe('CycloneDX');
    const { name, version } = readJson('package.json');
    expect(metadata.component).toMatchObject({ name, version });
    const all = ['wasm', 'ts', 'site'].flatMap(componentsOf).map(({ purl }) => purl);
    const listed = (components as Component[]).map(({ purl }) => purl);
    expect(listed.sort()).toEqual([...new Set(all)].sort());
    expect(listed.some((purl) => purl.startsWith('pkg:generic/zlib@1.'))).toBe(true);
  });
});

describe('dependencies', () => {
  it.each(['package.json', 'third_party/package.json'])('of %s are pinned exactly', (file) => {
    const { dependencies = {}, devDependencies = {} } = readJson(file);
    for (const version of Object.values({ ...dependencies, ...devDependencies })) {
      expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });

  it.each(['package-lock.json', 'third_party/package-lock.json'])(
    'of %s have checksums',
    (file) => {
      const packages = Object.entries(readJson(file).packages as Record<string, Locked>);
      for (const [path, { integrity }] of packages) {
        if (path !== '') expect(integrity, path).toMatch(/^sha512-/);
      }
    },
  );

  it('that are compiled in are pinned', () => {
    const pins = readJson('third_party/pinned.json');
    expect(Object.keys(pins).sort()).toEqual(
      componentsOf('wasm')
        .map(({ name }) => name)
        .sort(),
    );
  });
});

interface Locked {
  readonly integrity?: string;
}

describe('the engine', () => {
  it.each(['st', 'mt'])('for %s says nothing of where and when it was made', (kind) => {
    const bytes = readFileSync(join(DIST, `wasm/monoquant-${kind}.wasm`), 'latin1');
    for (const place of [
      ROOT,
      homedir(),
      '/.cache/',
      '/usr/',
      'emscripten/cache',
      'third_party/',
    ]) {
      expect(bytes.includes(place), place).toBe(false);
    }
    // As __DATE__, __TIME__ and an ISO time have them.
    expect(bytes).not.toMatch(
      /\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d 20\d\d\b/,
    );
    expect(bytes).not.toMatch(/\b20\d\d-\d\d-\d\d\b/);
  });
});
