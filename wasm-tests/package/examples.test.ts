/**
 * The parts for pipelines and servers: the action's steps, the job of GitLab, the plugin of Vite, the server.
 * They exist to be copied, so each is run as its users would run it; only downloads are replaced by this checkout.
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, createServer } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI, type Finished, Folder, monoquant, start } from '../support/cli.js';
import { ROOT, read } from '../support/markdown.js';
import { filled, weights } from '../support/models.js';
import { parseReport } from '../support/schema.js';

const folder = new Folder();
const model = folder.write('model.safetensors', [
  weights('fc.weight', 'F32', [32, 128]),
  weights('lm_head.weight', 'F32', [16, 128]),
]);
/** Beside the one large value of a group all others become zero. */
folder.write('noisy.safetensors', [
  filled('fc.weight', 'F32', [16, 128], (index) => (index % 128 === 0 ? 100 : 1)),
  weights('lm_head.weight', 'F32', [16, 128]),
]);

function bytesOf(name: string): Buffer {
  return readFileSync(folder.at(name));
}

let int4: Buffer;

beforeAll(async () => {
  const output = folder.at('expected.safetensors');
  expect((await monoquant('quantize', model, '-b', '4', '-o', output)).code).toBe(0);
  int4 = bytesOf('expected.safetensors');
});

/** What stands behind `key:` in lines that are indented deeper. */
function blockOf(text: string, key: string): string {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.trim().startsWith(`${key}:`));
  const indent = /^ */.exec(lines[at] ?? '')?.[0].length ?? 0;
  const end = lines.findIndex((line, index) => {
    return index > at && line.trim() !== '' && (/^ */.exec(line)?.[0].length ?? 0) <= indent;
  });
  return lines.slice(at + 1, end < 0 ? undefined : end).join('\n');
}

/** Of the action: the values of `env`, and the program. */
function stepOf(name: string, inputs: Readonly<Record<string, string>>) {
  const action = read('action.yml');
  const [, step = ''] = action.split(`- name: ${name}\n`);
  const [own = ''] = step.split('\n    - name: ');
  const env = [...blockOf(own, 'env').matchAll(/(\w+): \$\{\{ inputs\.([\w-]+) \}\}/g)].map(
    ([, key = '', input = '']) => {
      const given = blockOf(action, 'inputs');
      const usual = /default: '?(.*?)'?$/m.exec(blockOf(given, input))?.[1];
      return [key, inputs[input] ?? usual ?? ''] as const;
    },
  );
  return { env: Object.fromEntries(env), program: blockOf(own, 'run').replace(/^ {8}/gm, '') };
}

describe('what several machines run', () => {
  const programs = folder.at('programs');
  const whole = folder.at('whole.safetensors');
  const parts = (name: string) => read(`examples/parts/${name}`);

  beforeAll(async () => {
    mkdirSync(programs);
    // Named as in the files, and found instead of a download.
    writeFileSync(join(programs, 'npx'), `#!/bin/sh\nshift\nexec node '${CLI}' "$@"\n`, {
      mode: 0o755,
    });
    expect((await monoquant('quantize', model, '-b', '4', '-o', whole)).code).toBe(0);
  });

  async function run(program: string, env: Readonly<Record<string, string>>, ...words: string[]) {
    const path = `${programs}:${process.env.PATH}`;
    const options = { cwd: folder.path, env: { ...process.env, ...env, PATH: path } };
    const finished = await start('bash', ['-euc', program, 'bash', ...words], options).finished;
    expect(finished.code, finished.stderr).toBe(0);
    return finished;
  }

  const expectWhole = (name: string) =>
    expect(bytesOf(name).equals(bytesOf('whole.safetensors')), name).toBe(true);

  it('GitHub Actions', async () => {
    const workflow = parts('github.yml');
    const lines = [...workflow.matchAll(/^ +- run: (.*)$/gm)].map(([, line = '']) => line);
    const [part = '', merge = ''] = lines;
    const env = Object.fromEntries(
      [...blockOf(workflow, 'env').matchAll(/^ +(\w+): (.*)$/gm)].map(([, key, value]) => [
        key,
        value,
      ]),
    );
    const own = { ...env, MODEL: model, OUTPUT: 'actions.safetensors' };
    const matrix = JSON.parse(/part: (\[.*\])/.exec(workflow)?.[1] ?? '[]') as number[];
    expect(String(matrix.length)).toBe(env.PARTS);
    for (const number of matrix) {
      await run(part.replace(/\$\{\{ matrix\.part \}\}/, String(number)), own);
    }
    await run(merge, own);
    expectWhole('actions.safetensors');
  });

  it('Kubernetes', async () => {
    const [first = '', second = ''] = parts('kubernetes.yaml').split('\n---\n');
    const argumentOf = (job: string) => /args:\n +- (.*)/.exec(job)?.[1] ?? '';
    const count = Number(/completions: (\d+)/.exec(first)?.[1]);
    const own = { MODEL: model, OUTPUT: 'kubernetes.safetensors' };
    for (let index = 0; index < count; index++) {
      await run(argumentOf(first), { ...own, JOB_COMPLETION_INDEX: String(index) });
    }
    await run(argumentOf(second), own);
    expectWhole('kubernetes.safetensors');
  });

  it('Slurm', async () => {
    const script = parts('slurm.sh');
    const [, from = '', to = ''] = /--array=(\d+)-(\d+)/.exec(script) ?? [];
    let said = '';
    for (let task = Number(from); task <= Number(to); task++) {
      const env = { SLURM_ARRAY_TASK_ID: String(task), SLURM_ARRAY_TASK_COUNT: to };
      said = (await run(script, env, model, 'slurm.safetensors')).stdout;
    }
    await run(
      said
        .trim()
        .split('\n')
        .at(-1)
        ?.replace(/^.*done: /, '') ?? '',
      {},
    );
    expectWhole('slurm.safetensors');
  });
});

describe('the action', () => {
  const temp = folder.at('runner temp');
  const binaries = join(temp, 'monoquant/node_modules/.bin');
  const outputs = folder.at('outputs');
  const summary = folder.at('summary.md');

  beforeAll(() => {
    mkdirSync(binaries, { recursive: true });
    symlinkSync(CLI, join(binaries, 'monoquant'));
  });

  async function quantizeStep(inputs: Readonly<Record<string, string>>) {
    for (const file of [outputs, summary]) writeFileSync(file, '');
    const { env, program } = stepOf('Quantize', inputs);
    const runner = { GITHUB_ACTIONS: 'true', GITHUB_OUTPUT: outputs, GITHUB_STEP_SUMMARY: summary };
    // As the runner calls bash.
    const words = ['--noprofile', '--norc', '-eo', 'pipefail', '-c', program];
    const options = {
      cwd: folder.path,
      env: { ...process.env, ...runner, RUNNER_TEMP: temp, ...env },
    };
    const finished: Finished = await start('bash', words, options).finished;
    const said = new Map(
      readFileSync(outputs, 'utf8')
        .split('\n')
        .map((line) => line.split('=') as [string, string]),
    );
    return { ...finished, said, summary: readFileSync(summary, 'utf8') };
  }

  it('installs what it is told to', () => {
    const { env, program } = stepOf('Install monoquant', { package: './x.tgz' });
    expect(env).toEqual({ PACKAGE: './x.tgz' });
    expect(program).toMatch(/^npm install .*--prefix "\$RUNNER_TEMP\/monoquant" "\$PACKAGE"$/m);
  });

  it('writes the model, its report, the summary and the outputs', async () => {
    const { code, stderr, said, summary } = await quantizeStep({
      model: 'model.safetensors',
      output: 'by action.safetensors',
      options: `--bits 4 --ignore 'lm_head*' --no-default-ignore`,
      'fail-under': '10',
      report: 'page.html',
    });
    expect(code, stderr).toBe(0);
    expect(said.get('output')).toBe('by action.safetensors');
    expect(bytesOf('by action.safetensors').length).toBe(int4.length);
    const report = parseReport(readFileSync(said.get('report') ?? '', 'utf8'));
    expect(report.configuration).toMatchObject({ bits: 4, ignore: ['lm_head*'] });
    expect(summary).toContain('## Quantization of model.safetensors');
    expect(bytesOf('page.html').toString()).toContain('<!doctype html>');
  });

  it('fails at a gate, with an annotation, the report and the summary', async () => {
    const inputs = { model: 'noisy.safetensors', options: '-b 4 --force', 'fail-under': '90' };
    const { code, stderr, said, summary } = await quantizeStep(inputs);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^::error title=monoquant::Expected an SQNR/m);
    expect(summary).toContain('**Failed:**');
    expect(parseReport(readFileSync(said.get('report') ?? '', 'utf8')).tensors).toHaveLength(1);
    expect(said.has('output')).toBe(false);
    const warned = { ...inputs, options: '-b 4 --force --ignore vision_tower' };
    const strict = await quantizeStep({ ...warned, 'fail-under': '', strict: 'true' });
    expect(strict.code).toBe(4);
  });

  it('runs nothing that stands in an input', async () => {
    const before = folder.list();
    for (const input of ['model', 'options', 'output'] as const) {
      const hostile = '$(touch pwned) `touch pwned`; touch pwned #';
      await quantizeStep({ model: 'model.safetensors', [input]: hostile });
    }
    expect(folder.list().filter((name) => !before.includes(name))).not.toContain('pwned');
  });
});

it('the job of GitLab runs', async () => {
  const job = read('examples/pipelines/gitlab.yml');
  const lines = [...blockOf(job, 'script').matchAll(/^ +- (.*)$/gm)].map(([, line]) => line ?? '');
  expect(lines).toHaveLength(2);
  const npx = `npx() { shift; '${process.execPath}' '${CLI}' "$@"; }`;
  const program = [npx, ...lines].join('\n');
  const running = start('bash', ['-eo', 'pipefail', '-c', program], { cwd: folder.path });
  const { code, stderr } = await running.finished;
  expect(code, stderr).toBe(0);
  const kept = [...blockOf(job, 'paths').matchAll(/- (.*)$/gm)];
  for (const [, name = ''] of kept) expect(folder.has(name), name).toBe(true);
  expect(kept).toHaveLength(3);
});

describe('the plugin of Vite', async () => {
  const { monoquant: plugin } = await import(
    pathToFileURL(join(ROOT, 'examples/vite-plugin.js')).href
  );
  const root = folder.at('site');
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  writeFileSync(join(root, 'model.safetensors'), bytesOf('model.safetensors'));
  writeFileSync(join(root, 'index.html'), '<script type="module" src="/main.js"></script>');
  const query = 'quantize&bits=4';
  writeFileSync(
    join(root, 'main.js'),
    `import url from './model.safetensors?${query}'; document.title = url;`,
  );
  const settings = {
    root,
    logLevel: 'silent' as const,
    configFile: false as const,
    plugins: [plugin()],
  };
  const cached = () => readdirSync(join(root, 'node_modules/.vite/monoquant'));

  it('makes an asset in a build, once', async () => {
    for (const _ of [1, 2]) await build({ ...settings, plugins: [plugin()] });
    const assets = readdirSync(join(root, 'dist/assets'));
    const name = assets.find((each) => each.endsWith('.safetensors')) ?? '';
    expect(readFileSync(join(root, 'dist/assets', name)).equals(int4)).toBe(true);
    const script = assets.find((each) => each.endsWith('.js')) ?? '';
    expect(readFileSync(join(root, 'dist/assets', script), 'utf8')).toContain(name);
    expect(cached()).toHaveLength(1);
  });

  it('serves the copy while somebody develops, and tells mistakes', async () => {
    const server = await createServer({ ...settings, server: { port: 0, host: '127.0.0.1' } });
    try {
      await server.listen();
      const origin = server.resolvedUrls?.local[0]?.replace(/\/$/, '') ?? '';
      const get = (path: string) => fetch(origin + path, { headers: { accept: '*/*' } });
      const script = await (await get(`/model.safetensors?${query}&import`)).text();
      const url = /export default "(.*?)"/.exec(script)?.[1] ?? '';
      expect(Buffer.from(await (await get(url)).arrayBuffer()).equals(int4)).toBe(true);
      expect(cached()).toHaveLength(1);
      const wrong = await get('/model.safetensors?quantize&bitz=4&import');
      expect(wrong.status).toBe(500);
      expect(await wrong.text()).toContain('bits');
    } finally {
      await server.close();
    }
  });
});

describe('the server', () => {
  const limits = { PORT: '0', WORKERS: '2', WAITING: '3', MOST_BYTES: '1000000' };
  const temp = folder.at('temp');
  mkdirSync(temp);
  const child = spawn(process.execPath, [join(ROOT, 'examples/server.js')], {
    env: { ...process.env, ...limits, TMPDIR: temp },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  afterAll(() => child.kill());
  const origin = new Promise<string>((resolve) => {
    child.stdout.once('data', (line: Buffer) => resolve(line.toString().trim()));
  });
  const send = async (
    query: string,
    body: Uint8Array<ArrayBuffer> = new Uint8Array(bytesOf('model.safetensors')),
  ) => fetch(`${await origin}/${query}`, { method: 'POST', body });

  it('answers with the quantized model', async () => {
    const response = await send('?bits=4');
    expect(response.status).toBe(200);
    expect(Number(response.headers.get('x-sqnr-db'))).toBeGreaterThan(15);
    expect(Buffer.from(await response.arrayBuffer()).equals(int4)).toBe(true);
  });

  it('works on few at once, lets some wait, and refuses the rest', async () => {
    const statuses = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const response = await send('?bits=4');
        const body = Buffer.from(await response.arrayBuffer());
        if (response.status === 200) expect(body.equals(int4)).toBe(true);
        return response.status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(5);
    expect((await send('?bits=8')).status).toBe(200);
  });

  it.each([
    ['?bits=9', undefined, 422, /bits/],
    ['?output=/etc/passwd', undefined, 422, /Unknown option "output"/],
    ['', new TextEncoder().encode('no model at all'), 422, /./],
    ['', new Uint8Array(1_000_001), 413, /1000000 bytes/],
  ])('tells whose fault it is: %s', async (query, body, status, message) => {
    const response = await send(query, body);
    const text = await response.text();
    expect(response.status, text).toBe(status);
    expect((JSON.parse(text) as Error).message).toMatch(message);
    expect(text).not.toContain(temp);
  });

  it('leaves nothing behind', async () => {
    await expect.poll(() => readdirSync(temp), { timeout: 10_000 }).toEqual([]);
    expect(existsSync(temp)).toBe(true);
  });
});
