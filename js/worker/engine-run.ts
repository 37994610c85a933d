/**
 * A run in the worker: its plan, its share of the output, and what is done with that until it is finished or void.
 */
import { FILE_FAULTS, MonoquantError } from '../api/errors.js';
import { type Json, parseJson, toJson } from '../api/json.js';
import {
  type BlockShape,
  deleteQuietly,
  type Engine,
  type Share,
  withHandle,
} from '../engine/engine.js';
import { type OnStageProgress, runStage } from '../engine/pipeline.js';
import type {
  Checksums,
  EncodeResult,
  PlanDocument,
  WasmInspector,
  WasmPlan,
  WasmStage,
} from '../engine/wasm.js';
import type { Zstd } from '../engine/zstd.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { ByteSource } from '../io/byte-source.js';
import { Packing } from './packing.js';
import type { BandErrors, EncodedShare } from './protocol.js';
import { tableOf } from './table.js';

export class EngineRun<Output> {
  readonly #engine: Engine;
  readonly #blocks: BlockShape;
  readonly #source: ByteSource;
  readonly #plan: WasmPlan;
  #encode: WasmStage<EncodeResult> | undefined;
  #sink: ByteSink<Output> | undefined;
  #packing: Packing | undefined;
  /** The compressed output, if there is one. */
  #packed: ByteSink<Output> | undefined;

  /** Takes the plan over. */
  constructor(engine: Engine, blocks: BlockShape, source: ByteSource, plan: WasmPlan) {
    this.#engine = engine;
    this.#blocks = blocks;
    this.#source = source;
    this.#plan = plan;
  }

  document(): Json<PlanDocument> {
    return this.#plan.json();
  }

  /** Writes a share of what was planned, and reads most of it back. */
  async encode(
    share: Share,
    sink: ByteSink<Output>,
    onProgress?: OnStageProgress,
  ): Promise<EncodedShare> {
    this.#sink = sink;
    this.#encode = this.#engine.encodeStage(this.#plan, share, this.#blocks, true);
    const { slots } = this.#blocks;
    const io = { sources: [this.#source, sink], sink, slots, onProgress };
    const result = parseJson(await runStage(this.#encode, io));
    const { unfit, bytes, errors, source, output } = result;
    const checksums: Checksums = { source, output };
    return { unfit, bytes, errors: tableOf(errors.map(bandErrors)), checksums: toJson(checksums) };
  }

  /** Ends the output when every share was encoded; answers how many bytes it has written. */
  seal(checksums: readonly Json<Checksums>[]): Promise<number> {
    const { encode, sink } = this.#encoded('seal');
    return withHandle(this.#engine.sealStage(encode, checksums), async (stage) => {
      const result = await runStage(stage, { sources: [this.#source], sink, slots: 1 });
      return parseJson(result).bytes;
    });
  }

  /** Reads back the rest of what `encode` wrote, once every share has been written. */
  async verify(onProgress?: OnStageProgress): Promise<void> {
    const { encode, sink } = this.#encoded('verify');
    await withHandle(await inspectOutput(this.#engine, sink), (output) =>
      withHandle(this.#engine.verifyStage(encode, output, this.#blocks), (stage) =>
        runStage(stage, { sources: [sink], slots: this.#blocks.slots, onProgress }),
      ),
    );
  }

  /** Compresses one frame of the verified output, and keeps it. */
  pack(zstd: Zstd, frame: number, level: number): Promise<number> {
    const { sink } = this.#encoded('pack');
    this.#packing ??= new Packing(zstd, sink, level);
    return this.#packing.pack(frame);
  }

  /** Writes the frame that was kept. `open` opens the compressed output. */
  async placePacked(open: () => Promise<ByteSink<Output>>, offset: number): Promise<void> {
    this.#packed ??= await open();
    await this.#packing?.place(this.#packed, offset);
  }

  /** Ends the compressed output; `open` opens it as one of so many bytes. */
  async endPacked(
    open: (size: number) => Promise<ByteSink<Output>>,
    frames: readonly number[],
  ): Promise<number> {
    const packed = this.#packed;
    if (packed === undefined || this.#packing === undefined) {
      throw new MonoquantError('internal', 'Nothing was packed.');
    }
    const size = await this.#packing.end(packed, frames);
    this.#packed = await open(size);
    return size;
  }

  /** Every share has been verified. */
  async finish(): Promise<Output> {
    const { sink } = this.#encoded('finish');
    await this.#source.checkUnchanged?.();
    const output = await sink.finish();
    this.#sink = undefined;
    const packed = this.#packed;
    this.#packed = undefined;
    return packed === undefined ? output : packed.finish();
  }

  /** Lets go of the plan and of what was made by it; an output that was not finished is void. */
  async drop(): Promise<void> {
    deleteQuietly(this.#encode);
    deleteQuietly(this.#plan);
    await this.#sink?.abort();
    await this.#packed?.abort();
    this.#sink = undefined;
    this.#packed = undefined;
    this.#packing = undefined;
  }

  #encoded(step: string): { encode: WasmStage<EncodeResult>; sink: ByteSink<Output> } {
    if (this.#encode !== undefined && this.#sink !== undefined) {
      return { encode: this.#encode, sink: this.#sink };
    }
    throw new MonoquantError('internal', `Nothing was encoded before "${step}".`);
  }
}

function bandErrors([
  tensor,
  band,
  signal,
  noise,
  peak,
  edges,
]: EncodeResult['errors'][number]): BandErrors {
  return { tensor, band, signal, noise, peak, edges };
}

/** What would be a fault of an input is our own failure in an output. */
async function inspectOutput(engine: Engine, output: ByteSource): Promise<WasmInspector> {
  try {
    // Everything in it was written here.
    return await engine.inspect(output, { key: '' });
  } catch (cause) {
    if (!(cause instanceof MonoquantError) || !FILE_FAULTS.includes(cause.code)) throw cause;
    const message = `The output reads back as no valid file: ${cause.message}`;
    throw new MonoquantError('verification-failed', message, { offset: cause.offset, cause });
  }
}
