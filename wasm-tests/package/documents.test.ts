/**
 * The documents tell the truth: what they show runs, what they print is printed, what they link to is there.
 * Blocks of README.md and docs/ run in order, each document in a folder of its own with small models:
 * `sh` runs, but for the lines that LEFT_OUT has with their reasons, `console` is compared, `js` runs, `js page`
 * compiles against the browsers' entry, `js config` loads, `python` compiles and, with a Python that has PyTorch, runs.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CODES, OPTIONS } from '#package';
import { type Finished, Folder, monoquant, shell, start } from '../support/cli.js';
import { writeGguf } from '../support/gguf.js';
import { type Block, blocksOf, headingsOf, proseOf, ROOT, read } from '../support/markdown.js';
import { filled, weights } from '../support/models.js';

const RUN = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const ALL = [
  ...RUN,
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'cpp/README.md',
  'cpp/fuzz/README.md',
  'examples/README.md',
];

/** Lines of `sh` that do not run here, and why. */
const LEFT_OUT: readonly (readonly [line: RegExp, reason: string])[] = [
  [/^npm install && npm test$/, 'these are those tests'],
  [/^npm (run [\w:]+|test)\b/, 'scripts of the checkout: their names are compared below'],
  [/^npm install \S+\.tgz$/, 'package.test.ts installs the tarball'],
  [
    /^node scripts\/[\w-]+\.mjs\b/,
    'it builds the checkout; that the file is there is looked up below',
  ],
  [/^npx vitest run /, 'a test that runs by itself'],
  [/^c(make|test) --(preset|build)/, 'it compiles the core; presets are compared below'],
  [/^build\//, 'a program that the compilers make'],
  [/^monoquant completion (zsh|fish) /, 'completion.test.ts asks these shells'],
  [/^monoquant quantize https:/, 'urls.test.ts has a server of its own'],
  [/^(echo "FROM |ollama )/, 'Ollama is another program'],
];

/** Names a Python with PyTorch: then what is shown in Python runs, too. */
const PYTHON = process.env.MONOQUANT_PYTHON;

const folder = new Folder();

/** What the documents speak of: a model, its inputs, a model's folder, the example. */
beforeAll(async () => {
  const at = (name: string) => join('template', name);
  mkdirSync(folder.at(at('models/llama')), { recursive: true });
  mkdirSync(folder.at(at('node_modules')));
  symlinkSync(ROOT, folder.at(at('node_modules/monoquant')));
  writeFileSync(folder.at(at('package.json')), '{ "type": "module" }');
  cpSync(join(ROOT, 'examples'), folder.at(at('examples')), { recursive: true });
  folder.write(at('model.safetensors'), [
    weights('conv1.weight', 'F32', [16, 8, 3, 3]),
    weights('fc1.weight', 'F32', [64, 128]),
    weights('fc2.weight', 'F32', [32, 64]),
    weights('lm_head.weight', 'F32', [10, 64]),
  ]);
  folder.write(at('inputs.safetensors'), [
    weights('conv1', 'F32', [64, 8, 5, 5]),
    weights('fc1', 'F32', [64, 128]),
    weights('fc2', 'F32', [64, 64]),
  ]);
  // What a file is, its content says.
  folder.write(at('imatrix.gguf'), [
    filled('blk.0.ffn_down.weight.in_sum2', 'F32', [1, 128], (index) => 1 + index),
    filled('blk.0.ffn_down.weight.counts', 'F32', [1, 1], () => 512),
  ]);
  const blocks = { type: 'Q8_0', shape: [1, 32], bytes: new Uint8Array(34) };
  const gguf = writeGguf([{ name: 'blk.0.ffn_down.weight', ...blocks }]);
  writeFileSync(folder.at(at('model-Q4_K_M.gguf')), gguf);
  folder.write(at('models/llama/model.safetensors'), [
    weights('model.layers.0.mlp.down_proj.weight', 'F32', [64, 128]),
  ]);
  const whole = join(ROOT, 'wasm-tests/fixtures/llama_cpp/llama');
  const small = folder.at(at('models/SmolLM2-135M'));
  cpSync(whole, small, { recursive: true });
  const floats = folder.at(at('models/model-f16.gguf'));
  const made = await monoquant('quantize', small, '-o', floats, '--format', 'F16');
  expect(made.code, made.stderr).toBe(0);
  const config = { architectures: ['LlamaForCausalLM'], model_type: 'llama' };
  writeFileSync(folder.at(at('models/llama/config.json')), JSON.stringify(config));
  for (const name of ['model', 'inputs']) {
    const path = folder.at(at(name));
    expect((await monoquant('convert', `${path}.safetensors`, `${path}.pt`)).code).toBe(0);
  }
});

/** A folder for the blocks of one document. */
function placeFor(document: string): string {
  const place = folder.at(document.replaceAll('/', '-'));
  cpSync(folder.at('template'), place, { recursive: true, verbatimSymlinks: true });
  return place;
}

/** A line as somebody types it who has the package in the folder. */
function type(line: string, place: string): Promise<Finished> {
  return shell(`cd '${place}'; export HOME="$PWD"; npx() { "$@"; }; ${line}`);
}

/** Lines without their comments. */
function linesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.replace(/\s+# .*$/, ''));
  return lines.filter((line) => line !== '');
}

function isLeftOut(line: string): boolean {
  return LEFT_OUT.some(([pattern]) => pattern.test(line));
}

/** A first `npm install &&` has happened. */
function commandsIn(text: string): string[] {
  const lines = linesOf(text).filter((line) => !isLeftOut(line));
  return lines.map((line) => line.replace(/^npm install && /, ''));
}

async function runBlock({ where, language, text }: Block, place: string): Promise<void> {
  if (language === 'sh') {
    for (const line of commandsIn(text)) {
      const { code, stderr } = await type(line, place);
      expect(code, `${where}: ${line}\n${stderr}`).toBe(0);
    }
  } else if (language === 'console') {
    for (const [, line = '', shown = ''] of text.matchAll(/^\$ (.*)\n([^$]*)/gm)) {
      const { stdout, stderr } = await type(line, place);
      expect(timeless(stdout), `${where}\n${stderr}`).toBe(timeless(shown));
    }
  } else if (language.startsWith('js')) {
    await runScript({ where, language, text }, place);
  }
}

/** The one thing that differs from run to run. */
function timeless(text: string): string {
  return text.replace(/^time .*$/gm, 'time').trim();
}

async function runScript({ where, language, text }: Block, place: string): Promise<void> {
  const path = join(place, `${where.replaceAll(/\W/g, '-')}.js`);
  writeFileSync(path, text);
  if (language === 'js page') {
    expect(typeErrors(path), where).toBe('');
  } else if (language === 'js config') {
    const { default: config } = await import(pathToFileURL(path).href);
    expect(Object.keys(config), where).not.toHaveLength(0);
  } else {
    const { code, stderr } = await start(process.execPath, [path], { cwd: place }).finished;
    expect(code, `${where}\n${stderr}`).toBe(0);
  }
}

/** What the compiler says of a program for pages. */
function typeErrors(path: string): string {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const words =
    '--ignoreConfig --noEmit --strict --checkJs --target es2022 --module esnext --lib es2022,dom --moduleResolution bundler --customConditions browser';
  return spawnSync(process.execPath, [compiler, ...words.split(' '), path], { encoding: 'utf8' })
    .stdout;
}

describe('what is shown', () => {
  it.concurrent.each(RUN)('runs: %s', async (document) => {
    const place = placeFor(document);
    for (const block of blocksOf(document)) await runBlock(block, place);
  });

  it.each(RUN)('is of a kind that is looked at: %s', (document) => {
    const known = ['text', 'sh', 'console', 'js', 'js page', 'js config', 'python'];
    for (const { language, where } of blocksOf(document)) expect(known, where).toContain(language);
  });

  it.each(ALL.filter((document) => !RUN.includes(document)))(
    'is left out for a reason where it does not run: %s',
    (document) => {
      for (const { language, text, where } of blocksOf(document)) {
        if (language !== 'sh') continue;
        for (const line of linesOf(text)) expect(isLeftOut(line), `${where}: ${line}`).toBe(true);
      }
    },
  );

  it('has a line for each reason', () => {
    const lines = ALL.flatMap(blocksOf).flatMap(({ text }) => linesOf(text));
    for (const [pattern, reason] of LEFT_OUT) {
      expect(
        lines.some((line) => pattern.test(line)),
        reason,
      ).toBe(true);
    }
  });

  it('names scripts and presets that are there', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: object };
    const presets = read('CMakePresets.json');
    for (const { text, where } of ALL.flatMap(blocksOf)) {
      for (const [, name] of text.matchAll(/npm run ([\w:]+)/g)) {
        expect(Object.keys(scripts), where).toContain(name);
      }
      for (const [, name] of text.matchAll(/--preset ([\w-]+)/g)) {
        expect(presets, where).toContain(`"name": "${name}"`);
      }
      for (const [path] of text.matchAll(/\b(?:scripts|wasm-tests)\/[\w./-]+\.\w+/g)) {
        expect(existsSync(join(ROOT, path)), `${where}: ${path}`).toBe(true);
      }
    }
  });

  it('in workflows, names tests and scripts that are there', () => {
    for (const name of readdirSync(join(ROOT, '.github/workflows'))) {
      const paths = read(`.github/workflows/${name}`).matchAll(
        /\b(?:wasm-tests|scripts)\/[\w./-]+/g,
      );
      for (const [path] of paths) expect(existsSync(join(ROOT, path)), path).toBe(true);
    }
  });

  it('is the same C++ program that the tests compile', () => {
    const [block] = blocksOf('cpp/README.md').filter(({ language }) => language === 'cpp');
    const program = read('cpp/tests/five_calls.cc');
    expect(block?.text).toBe(program.slice(program.indexOf('#include')));
  });
});

describe('Python', () => {
  const programs = RUN.flatMap(blocksOf).filter(({ language }) => language === 'python');
  const python = (program: string, place = folder.path) =>
    spawnSync(PYTHON ?? 'python3', ['-c', program], { cwd: place, encoding: 'utf8' });

  it.skipIf(python('').error)('compiles', () => {
    for (const { text, where } of programs) {
      expect(python(`compile(${JSON.stringify(text)}, 'block', 'exec')`).stderr, where).toBe('');
    }
  });

  it.runIf(PYTHON !== undefined)('captures inputs and restores weights', async () => {
    const place = placeFor('python');
    for (const line of [
      'monoquant quantize model.pt --bits 4 -g 32 -o int4.pt',
      'monoquant quantize model.pt --bits 4 --scheme asymmetric -o asymmetric.pt',
      'monoquant dequantize int4.pt int4-floats.pt',
      'monoquant dequantize asymmetric.pt asymmetric-floats.pt',
    ]) {
      expect((await type(line, place)).code, line).toBe(0);
    }
    const functions = programs.filter(({ text }) => text.includes('\ndef '));
    const checks = `
for name in ["int4", "asymmetric"]:
    codes = torch.load(name + ".pt", weights_only=True)
    floats = torch.load(name + "-floats.pt", weights_only=True)
    for layer in ["fc1.weight", "fc2.weight", "conv1.weight"]:
        assert torch.equal(weight(codes, layer, 4), floats[layer].float()), (name, layer)
fc1, fc2 = torch.nn.Linear(128, 64), torch.nn.Linear(64, 32)
model = torch.nn.Sequential()
model.add_module("fc1", fc1)
model.add_module("fc2", fc2)
capture(model, [(torch.randn(64, 128), 0), torch.randn(64, 128)], "captured.pt")
`;
    const program = [...functions.map(({ text }) => text), checks].join('\n');
    const { status, stderr } = python(program, place);
    expect(status, stderr).toBe(0);
    const line = 'monoquant quantize model.safetensors -c captured.pt -o captured-int8.safetensors';
    const { code, stderr: said } = await type(line, place);
    expect(code, said).toBe(0);
  });
});

describe('README.md', () => {
  it('has at most 150 lines', () => {
    expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(150);
  });

  it('has the two commands of a fresh clone, and the tarball of this version', () => {
    const text = read('README.md');
    expect(text).toContain(
      '\nnpm install && npx monoquant quantize examples/digits.safetensors --force\n',
    );
    expect(text).toContain('\nnpm install && npm test\n');
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(text).toContain(`monoquant-${version}.tgz`);
  });
});

describe.each(ALL)('%s', (document) => {
  it('links to files and headings that are there', () => {
    for (const [, target = ''] of proseOf(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path = '', heading] = target.split('#');
      const file = path === '' ? document : join(dirname(document), path);
      expect(existsSync(join(ROOT, file)), target).toBe(true);
      if (heading !== undefined) expect(headingsOf(file), target).toContain(heading);
    }
  });

  it('names files that are there', () => {
    const pattern =
      /`((?:cpp|js|node|web|wasm-tests|scripts|docs|examples|plan|quant|run|catalog|container|base)\/[\w./-]+)`/g;
    for (const [, path = ''] of proseOf(document).matchAll(pattern)) {
      const places = ['', 'cpp', 'cpp/monoquant', 'wasm-tests', dirname(document)];
      expect(
        places.some((place) => existsSync(join(ROOT, place, path))),
        path,
      ).toBe(true);
    }
  });
});

describe('docs/command-line.md', () => {
  const sections = read('docs/command-line.md').split(/^## /m);
  const commands = [
    'quantize',
    'calibrate',
    'convert',
    'dequantize',
    'merge',
    'validate',
    'compare',
    'info',
    'benchmark',
    'search',
    'runs',
  ];

  it.concurrent.each(commands)('has the flags of %s, and no others', async (command) => {
    const section = sections.find((text) => text.startsWith(`${command}\n`)) ?? '';
    const rows = [...section.matchAll(/^\| (`-.*?) \|/gm)].map(([, cell]) => cell);
    // The help leaves rare ones out, the manual page none.
    const { stdout } = await monoquant('help', '--man');
    const manual = stdout
      .split(/^\.S[SH] /m)
      .find((text) => text.startsWith(`monoquant ${command} `));
    const names = [...(manual ?? '').matchAll(/^\.TP\n(.*)$/gm)].map(([, line = '']) =>
      line
        .replaceAll(/\\f[BIR]/g, ' ')
        .replaceAll('\\-', '-')
        .replaceAll(',', ' '),
    );
    expect(flagsIn(rows.join(' ').replaceAll(/[`,]/g, ' '))).toEqual(flagsIn(names.join(' ')));
  });
});

function flagsIn(text: string): string[] {
  const flags = text.matchAll(/(?<=^|[\s(])(--[a-z][a-z-]+|-[a-z])(?=[\s,]|$)/gm);
  return [...new Set([...flags].map(([flag]) => flag))].sort();
}

describe('docs/api.md', () => {
  const text = read('docs/api.md');
  const typesOf = (path: string) => read(`dist/types/${path}.d.ts`);

  it('has every function', () => {
    const entries = typesOf('node/index') + typesOf('web/engine/index');
    const names = [...entries.matchAll(/export declare (?:function|const) (\w+)/g)].map(
      ([, name]) => name,
    );
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) expect(text).toContain(`\`${name}(`);
  });

  it('has every option', () => {
    const ofCalls = typesOf('js/api/option-table/calls').matchAll(/^ {4}readonly (\w+): \{/gm);
    const names = [...Object.keys(OPTIONS), ...[...ofCalls].map(([, name]) => name)];
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) expect(text).toContain(`\`${name}\``);
  });

  it.each(ERROR_CODES)('has the error %s', (code) => {
    expect(text).toContain(`\`${code}\``);
  });
});
