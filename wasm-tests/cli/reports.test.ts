/**
 * The files of `--report`: data, a page for a model card, a page for a browser.
 * They exist to be passed on, so what is in them has to be the run's, and harmless wherever it is shown.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Report } from '#package';
import { CLI, type Finished, Folder, monoquant, start } from '../support/cli.js';
import { filled, weights } from '../support/models.js';
import { parseReport } from '../support/schema.js';

const folder = new Folder();
const HOSTILE = [
  '</td><script>alert(1)</script>.weight',
  'a|b`c\\d.weight',
  '![x](https://example.org/x.png).weight',
  '@everyone &lt; "\' \u202e.weight',
  '<!-- .weight',
];
const hostile = folder.write('hostile.safetensors', [
  ...HOSTILE.map((name, index) => weights(name, 'F32', [16, 64], index)),
  weights('lm_head.<img src=x onerror=y>.weight', 'F32', [16, 64]),
]);
const model = folder.write('model.safetensors', [
  weights('fc.weight', 'F32', [16, 128]),
  weights('odd.weight', 'F32', [16, 64]),
  // Beside the one large value of a group all others become zero.
  filled('noisy.weight', 'F32', [16, 128], (index) => (index % 128 === 0 ? 60 : 1)),
  weights('lm_head.weight', 'F32', [16, 128]),
]);

function text(name: string): string {
  return readFileSync(folder.at(name), 'utf8');
}

function outputOf(report = ''): string {
  return `${report}.safetensors`;
}

/** Runs with `words`; the output is named after the first report. */
async function reports(words: readonly string[], ...names: string[]): Promise<Finished> {
  const flags = names.flatMap((name) => ['--report', folder.at(name)]);
  const output = folder.at(outputOf(names[0]));
  return monoquant('quantize', ...words, '-o', output, '--force', ...flags);
}

describe('a run with three reports', async () => {
  const { code, stderr } = await reports([model, '-b', '4'], 'r.json', 'r.md', 'R.HTML');

  it('writes all of them, with the same numbers', () => {
    expect(code, stderr).toBe(0);
    const report = parseReport(text('r.json'));
    for (const page of [text('r.md'), text('R.HTML')]) {
      for (const { name, sqnrDb } of report.tensors) {
        const line = page.split('\n').find((each) => /^(\||<tr)/.test(each) && each.includes(name));
        expect(line, name).toContain(`${sqnrDb?.toFixed(1)} dB`);
      }
      expect(page).toContain(`SQNR ${report.sqnrDb?.toFixed(1)} dB`);
      expect(page).toContain('INT4 group 128');
      expect(page).toContain('INT4 group 64');
      expect(page).toContain('2 tensors in groups of 128, 1 in groups of 64');
      // Warnings, and what was left alone with its reason.
      for (const { message } of report.warnings) {
        const said = page.replaceAll('\\', '').replaceAll('&quot;', '"').replaceAll('&#39;', "'");
        expect(said).toContain(message);
      }
      expect(page).toContain('lm_head.weight');
      expect(page).toContain('left alone by default');
    }
  });

  it('names no place on this machine', () => {
    for (const page of [text('r.md'), text('R.HTML')]) expect(page).not.toContain(folder.path);
  });

  it('shows the command that makes the same again', async () => {
    const output = folder.at(outputOf('r.json'));
    const before = readFileSync(output);
    const [, command = ''] = /```sh\n(.*)\n```/.exec(text('r.md')) ?? [];
    expect(text('R.HTML')).toContain(`<pre>${command}</pre>`);
    const npx = `npx() { shift; '${process.execPath}' '${CLI}' "$@" --force; }`;
    const again = await start('bash', ['-c', `${npx}; ${command}`], { cwd: folder.path }).finished;
    expect(again.code, again.stderr).toBe(0);
    expect(readFileSync(output).equals(before)).toBe(true);
  });

  it('draws every tensor that lost something', () => {
    const page = text('R.HTML');
    const [svg = ''] = /<svg class="histogram"[\s\S]*<\/svg>/.exec(page) ?? [];
    const counts = [...svg.matchAll(/dB: (\d+) tensor/g)].map(([, count]) => Number(count));
    const { tensors } = parseReport(text('r.json'));
    const lossy = tensors.filter(({ sqnrDb }) => sqnrDb !== null).length;
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(lossy);
    expect(svg).toMatch(/class="(low|very-low)"/);
  });

  it('has the whole configuration', () => {
    const { configuration } = parseReport(text('r.json'));
    const [, json = ''] = /```json\n([\s\S]*?)\n```/.exec(text('r.md')) ?? [];
    expect(JSON.parse(json)).toEqual(configuration);
    const shown = /<summary>Configuration<\/summary><pre>([\s\S]*?)<\/pre>/.exec(
      text('R.HTML'),
    )?.[1];
    expect(JSON.parse((shown ?? '').replaceAll('&quot;', '"'))).toEqual(configuration);
  });
});

it('choices with signs of a shell come back from the command', async () => {
  const words = [model, '-b', '8', '--ignore', 're:.*(noisy|nothing).*', '--layer', 'odd=bits:4'];
  const { code, stderr } = await reports([...words, '--fail-under', '5'], 'signs.md', 'signs.json');
  expect(code, stderr).toBe(0);
  const [, command = ''] = /```sh\n(.*)\n```/.exec(text('signs.md')) ?? [];
  expect(command).toContain('--fail-under 5');
  const npx = `npx() { shift; '${process.execPath}' '${CLI}' "$@" --dry-run --json --force; }`;
  const again = await start('bash', ['-c', `${npx}; ${command}`], { cwd: folder.path }).finished;
  expect(again.code, again.stderr).toBe(0);
  const { configuration } = JSON.parse(again.stdout) as Report;
  expect(configuration).toEqual(parseReport(text('signs.json')).configuration);
});

describe('names in a model', async () => {
  const { code, stderr } = await reports([hostile], 'h.md', 'h.html');

  it('are no elements of the page, which may load nothing and has no script', () => {
    expect(code, stderr).toBe(0);
    const page = text('h.html');
    const elements = new Set([...page.matchAll(/<\/?([a-z0-9!]+)/gi)].map(([, name]) => name));
    for (const name of ['script', 'img', 'link', 'a', 'iframe'])
      expect(elements).not.toContain(name);
    expect([...page.matchAll(/<!/g)]).toHaveLength(1);
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/\b(src|href|on\w+)=(?![^<]*<\/th>)/);
    expect(page).toContain('&lt;/td&gt;&lt;script&gt;alert(1)');
    expect(page).not.toContain('\u202e');
  });

  it('are no links, elements, mentions or cells of the Markdown', () => {
    const page = text('h.md');
    const outside = page.replace(/`[^`\n]*`/g, '').replace(/<code>[^<\n]*<\/code>/g, '');
    expect(outside).not.toMatch(/<(script|img|!--)|!\[|https:|@everyone/);
    for (const [, inside] of page.matchAll(/<code>(.*?)<\/code>/g)) {
      expect(inside).not.toMatch(/[|`\\<>@]/);
    }
    const rows = page
      .split('\n')
      .filter((line) => line.includes('.weight') && line.startsWith('|'));
    expect(rows).toHaveLength(HOSTILE.length + 1);
    // As many cells as their table has columns.
    for (const row of rows) expect(row.split('|').length - 2, row).toBe(row.includes('dB') ? 6 : 5);
  });
});

it('a page says how to load what was written', async () => {
  const { code, stderr } = await reports([model, '-b', '3'], 'use.html');
  expect(code, stderr).toBe(0);
  const page = text('use.html');
  expect(page).toContain('<h2>Use it</h2>');
  expect(page).toContain('load_file(&quot;use.html.safetensors&quot;)');
  expect(page).toContain('bits = 3');
});

it('a page says how to load a folder', async () => {
  const blocks = folder.write('blocks.safetensors', [
    weights('model.layers.0.mlp.up_proj.weight', 'F32', [16, 128]),
  ]);
  const places = ['-o', `${folder.at('made')}/`, '--report', folder.at('made.html')];
  const { code, stderr } = await monoquant('quantize', blocks, ...places);
  expect(code, stderr).toBe(0);
  expect(text('made.html')).toContain('vllm serve ./made<');
});

describe('a failed gate', () => {
  it('writes every report, which says so', async () => {
    const words = [model, '-b', '4', '--fail-under', '35'];
    const { code } = await reports(words, 'f.json', 'f.md', 'f.html');
    expect(code).toBe(4);
    expect(folder.has(outputOf('f.json'))).toBe(false);
    const { tensors } = parseReport(text('f.json'));
    for (const page of [text('f.md'), text('f.html')]) {
      expect(page).toContain('Failed');
      expect(page).toContain(tensors[0]?.name);
      expect(page).toContain('nothing was written');
      expect(page).not.toContain('load_file');
      expect(page).toContain('at least 35 dB in each tensor');
      expect(page).toContain('--fail-under 35');
    }
  });
});

it('a dry run writes the plan', async () => {
  const { code, stderr } = await reports([model, '--dry-run'], 'p.json', 'p.md', 'p.html');
  expect(code, stderr).toBe(0);
  for (const page of [text('p.md'), text('p.html')]) {
    expect(page).toContain('nothing is written');
    expect(page).toContain('int8 channel');
    expect(page).not.toContain('<svg');
  }
});

describe('a report that cannot be written is an error before the work', () => {
  it.each([
    [['r.txt'], /ends in \.json, \.md or \.html for --report but received ".*r\.txt"/],
    [['report'], /ends in \.json, \.md or \.html/],
    [['a.md', 'b.gguf'], /ends in .* received ".*b\.gguf"/],
    [['twice.json', './twice.json'], /is another report/],
    [['no-such-folder/r.md'], /no-such-folder/],
  ])('%j', async (names, message) => {
    const before = folder.list();
    const fresh = folder.at('fresh.safetensors');
    const flags = names.flatMap((name) => ['--report', join(folder.path, name)]);
    const { code, stderr } = await monoquant('quantize', model, '-o', fresh, ...flags);
    expect([2, 5]).toContain(code);
    expect(stderr.replaceAll(/\n +/g, ' ')).toMatch(message);
    expect(stderr).not.toContain('encode');
    expect(existsSync(fresh)).toBe(false);
    expect(folder.list()).toEqual(before);
  });

  it('nor is one of them where another cannot be', async () => {
    mkdirSync(folder.at('taken'));
    const before = folder.list();
    const { code } = await reports([model], 'first.md', 'taken/none/second.html');
    expect(code).toBe(5);
    expect(folder.list()).toEqual(before);
  });
});
