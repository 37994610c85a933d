/**
 * A message of Protocol Buffers in its wire format: fields one behind the other, each a number with its kind of value.
 * https://protobuf.dev/programming-guides/encoding/
 */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const UTF8 = new TextEncoder();

export class Message {
  readonly #bytes: number[] = [];

  /** A whole number from 0 up to the largest safe one; also of enums and booleans. */
  whole(field: number, value: number): this {
    this.#key(field, VARINT);
    this.#varint(value);
    return this;
  }

  double(field: number, value: number): this {
    this.#key(field, FIXED64);
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value, true);
    return this.#push(new Uint8Array(view.buffer));
  }

  float(field: number, value: number): this {
    this.#key(field, FIXED32);
    const view = new DataView(new ArrayBuffer(4));
    view.setFloat32(0, value, true);
    return this.#push(new Uint8Array(view.buffer));
  }

  text(field: number, value: string): this {
    return this.bytes(field, UTF8.encode(value));
  }

  message(field: number, value: Message): this {
    return this.bytes(field, value.encoded());
  }

  bytes(field: number, value: Uint8Array): this {
    this.#key(field, BYTES);
    this.#varint(value.length);
    return this.#push(value);
  }

  encoded(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #key(field: number, kind: number): void {
    this.#varint(field * 8 + kind);
  }

  /** Seven bits a byte, the lowest first; all but the last byte have the highest bit. */
  #varint(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes.push((rest % 128) + 128);
    this.#bytes.push(rest);
  }

  #push(bytes: Uint8Array): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }
}
