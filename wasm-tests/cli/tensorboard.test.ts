/**
 * `--tensorboard`: a file of events, read back here by a reader of its own, bit by bit.
 * It exists because TensorBoard passes over what it cannot read and says nothing. `scripts/conformance.mjs` has its own
 * reader read such a file.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from '../../js/report/events/crc32c.js';
import { Folder, monoquant } from '../support/cli.js';
import { mixedModel } from '../support/models.js';
import { parseReport } from '../support/schema.js';

const folder = new Folder();
const model = folder.write('model.safetensors', mixedModel('F32'));

/** Field by field; each may be there several times. */
type Fields = ReadonlyMap<number, readonly (number | Buffer)[]>;

function fieldsOf(bytes: Buffer): Fields {
  const fields = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes.readUInt8(at++);
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    expect(at).toBeLessThanOrEqual(bytes.length);
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const kind = key % 8;
    const value =
      kind === 0
        ? varint()
        : kind === 1
          ? take(8).readDoubleLE()
          : kind === 5
            ? take(4).readFloatLE()
            : take(varint());
    const field = Math.floor(key / 8);
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

function inside(fields: Fields, ...path: readonly number[]): Fields {
  return path.reduce((found, field) => fieldsOf(found.get(field)?.[0] as Buffer), fields);
}

/** A bit at a time. */
function slowCrc32c(bytes: Uint8Array): number {
  let sum = 0xffffffffn;
  for (const byte of bytes) {
    sum ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) sum = sum & 1n ? (sum >> 1n) ^ 0x82f63b78n : sum >> 1n;
  }
  return Number(sum ^ 0xffffffffn);
}

function masked(sum: number): number {
  const turned = ((BigInt(sum) >> 15n) | (BigInt(sum) << 17n)) & 0xffffffffn;
  return Number((turned + 0xa282ead8n) & 0xffffffffn);
}

function eventsIn(path: string): Fields[] {
  const file = readFileSync(path);
  const events: Fields[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(masked(slowCrc32c(file.subarray(at, at + 8))));
    const event = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(masked(slowCrc32c(event)));
    events.push(fieldsOf(event));
    at += length + 16;
  }
  return events;
}

function eventFiles(name: string): string[] {
  return readdirSync(folder.at(name), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.includes('tfevents'))
    .map((path) => join(folder.at(name), path));
}

it('sums are those of RFC 3720', () => {
  const numbers = (from: number, step: number) =>
    Uint8Array.from({ length: 32 }, (_, index) => from + step * index);
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(numbers(255, 0))).toBe(0x62a8ab43);
  expect(crc32c(numbers(0, 1))).toBe(0x46dd794e);
  expect(crc32c(numbers(31, -1))).toBe(0x113fdb5c);
  for (const text of ['', 'a', '123456789']) {
    expect(maskedCrc32c(Buffer.from(text))).toBe(masked(slowCrc32c(Buffer.from(text))));
  }
});

it('has totals, a series of tensors, names and options', async () => {
  const words = ['quantize', model, '-b', '4', '-o', folder.at('small.safetensors'), '--json'];
  const { code, stdout, stderr } = await monoquant(...words, '--tensorboard', folder.at('events'));
  expect(code, stderr).toBe(0);
  const report = parseReport(stdout);
  const [path = '', ...others] = eventFiles('events');
  expect(others).toEqual([]);
  const [version, ...events] = eventsIn(path);
  expect(String(version?.get(3)?.[0])).toBe('brain.Event:2');
  for (const event of events) {
    expect(Math.abs(Number(event.get(1)?.[0]) - Date.now() / 1000)).toBeLessThan(60);
  }
  const values = events.map((event) => ({ step: event.get(2)?.[0], value: inside(event, 5, 1) }));
  const tagged = (tag: string) => values.filter(({ value }) => String(value.get(1)?.[0]) === tag);
  const scalar = (tag: string) => tagged(tag).map(({ value }) => Number(value.get(2)?.[0]));
  expect(scalar('totals/bitsPerWeight')).toEqual([Math.fround(report.sizes.bitsPerWeight)]);
  expect(scalar('totals/sqnrDb')).toEqual([Math.fround(report.sqnrDb ?? 0)]);
  expect(scalar('totals/outputBytes')).toEqual([report.sizes.outputBytes]);

  const order = new Intl.Collator('en', { numeric: true });
  const named = [...report.tensors].sort((a, b) => order.compare(a.name, b.name));
  expect(scalar('tensors/sqnrDb')).toEqual(named.map(({ sqnrDb }) => Math.fround(sqnrDb ?? 0)));
  expect(tagged('tensors/sqnrDb').map(({ step }) => step)).toEqual(named.map((_, step) => step));
  const [names] = tagged('tensors/names');
  if (names === undefined) throw new Error('There are no names.');
  const text = String(inside(names.value, 8).get(8)?.[0]);
  named.forEach(({ name }, step) => {
    expect(text).toContain(`| ${step} | ${name} |`);
  });

  const [start] = tagged('_hparams_/session_start_info');
  if (start === undefined) throw new Error('There are no hyper-parameters.');
  const plugin = inside(start.value, 9, 1);
  expect(String(plugin.get(1)?.[0])).toBe('hparams');
  const entries = inside(fieldsOf(plugin.get(2)?.[0] as Buffer), 3).get(1) as Buffer[];
  const parameters = Object.fromEntries(
    entries.map((entry) => {
      const fields = fieldsOf(entry);
      const value = inside(fields, 2);
      const [plain] = value.get(2) ?? [String(value.get(3)?.[0] ?? value.get(4)?.[0])];
      return [String(fields.get(1)?.[0]), plain];
    }),
  );
  const { bits, groupSize, method } = report.configuration;
  expect(parameters).toMatchObject({ command: 'quantize', bits, groupSize, method });
});

it('is there for a run that failed, and for lines of a log', async () => {
  const place = ['--tensorboard', folder.at('failed'), '--log', folder.at('log')];
  expect((await monoquant('quantize', model, '--fail-under', '99', ...place)).code).toBe(4);
  const exported = ['runs', 'export', '--format', 'tensorboard', '-o', folder.at('exported')];
  expect((await monoquant(...exported, '--log', folder.at('log'))).code).toBe(0);
  for (const name of ['failed', 'exported']) {
    const [path = ''] = eventFiles(name);
    const last = inside(eventsIn(path).at(-1) as Fields, 5, 1);
    expect(String(last.get(1)?.[0])).toBe('_hparams_/session_end_info');
    // STATUS_FAILURE.
    const ended = inside(fieldsOf(inside(last, 9, 1).get(2)?.[0] as Buffer), 4);
    expect(ended.get(1)).toEqual([2]);
  }
});
