/**
 * A file of events as TensorBoard reads it.
 * Facts: tensorflow/core/util/event.proto, core/framework/summary.proto and tensor.proto, tsl/lib/io/record_writer.cc,
 * tensorboard/plugins/hparams/plugin_data.proto.
 *
 * Each event is a record of a TFRecord file, numbers in little-endian order:
 *
 *     ┌────────────┬─────────────────────────┬───────────────┬──────────────────────┐
 *     │ u64 length │ u32 masked CRC-32C of   │ length bytes: │ u32 masked CRC-32C   │
 *     │            │ the 8 bytes of length   │ an Event      │ of the Event         │
 *     └────────────┴─────────────────────────┴───────────────┴──────────────────────┘
 */
import { maskedCrc32c } from './crc32c.js';
import { Message } from './message.js';

/** What hyper-parameters may be. */
export type Parameter = string | number | boolean;

/** Fields of an Event. */
const WALL_TIME = 1;
const STEP = 2;
const FILE_VERSION = 3;
const SUMMARY = 5;

const DT_FLOAT = 1;
const DT_STRING = 7;

export class EventFile {
  readonly #records: Uint8Array[] = [];
  readonly #seconds: number;

  /** `seconds` since 1970: of all events in it. */
  constructor(seconds: number) {
    this.#seconds = seconds;
    // Whoever reads it looks for this first.
    this.#add(new Message().text(FILE_VERSION, 'brain.Event:2'));
  }

  scalar(tag: string, step: number, value: number): void {
    this.#summary(step, new Message().text(1, tag).float(2, value));
  }

  /** Markdown. */
  text(tag: string, text: string): void {
    const shape = new Message().message(2, new Message().whole(1, 1));
    const tensor = new Message().whole(1, DT_STRING).message(2, shape).text(8, text);
    const value = new Message().text(1, tag).message(8, tensor).message(9, pluginData('text'));
    this.#summary(0, value);
  }

  /** What the run was made with, for the table of hyper-parameters. */
  parameters(given: Readonly<Record<string, Parameter>>, group: string): void {
    const start = new Message();
    for (const [name, value] of Object.entries(given)) {
      start.message(1, new Message().text(1, name).message(2, structValue(value)));
    }
    start.text(4, group).double(5, this.#seconds);
    this.#plugin('_hparams_/session_start_info', new Message().message(3, start));
  }

  /** How it ended. */
  outcome(isSuccess: boolean, seconds: number): void {
    const end = new Message().whole(1, isSuccess ? 1 : 2).double(2, seconds);
    this.#plugin('_hparams_/session_end_info', new Message().message(4, end));
  }

  encoded(): Uint8Array {
    const bytes = this.#records.reduce((sum, { length }) => sum + length, 0);
    const file = new Uint8Array(bytes);
    let offset = 0;
    for (const record of this.#records) {
      file.set(record, offset);
      offset += record.length;
    }
    return file;
  }

  #plugin(tag: string, content: Message): void {
    // Readers expect a value, and look at the content of the plugin alone.
    const nothing = new Message().whole(1, DT_FLOAT).message(2, new Message()).float(5, 0);
    const data = pluginData('hparams', content.encoded());
    this.#summary(0, new Message().text(1, tag).message(8, nothing).message(9, data));
  }

  #summary(step: number, value: Message): void {
    this.#add(new Message().whole(STEP, step).message(SUMMARY, new Message().message(1, value)));
  }

  #add(facts: Message): void {
    const time = new Message().double(WALL_TIME, this.#seconds).encoded();
    const event = Uint8Array.from([...time, ...facts.encoded()]);
    const record = new Uint8Array(event.length + 16);
    const view = new DataView(record.buffer);
    view.setBigUint64(0, BigInt(event.length), true);
    view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
    record.set(event, 12);
    view.setUint32(12 + event.length, maskedCrc32c(event), true);
    this.#records.push(record);
  }
}

/** SummaryMetadata that says whose value it is. */
function pluginData(name: string, content?: Uint8Array): Message {
  const data = new Message().text(1, name);
  if (content !== undefined) data.bytes(2, content);
  return new Message().message(1, data);
}

/** google.protobuf.Value. */
function structValue(value: Parameter): Message {
  if (typeof value === 'number') return new Message().double(2, value);
  if (typeof value === 'string') return new Message().text(3, value);
  return new Message().whole(4, value ? 1 : 0);
}
