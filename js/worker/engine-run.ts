/**
 * A run in the worker: its plan, its share of the output, and what is done with that until it is finished or void.
 */
import { MonoquantError } from '../api/errors.js';
import { type Json, parseJson, toJson } from '../api/json.js';
import { deleteQuietly, type Engine, throwIfError, withHandle } from '../engine/engine.js';
import { type OnStageProgress, runStage, type StageIo } from '../engine/pipeline.js';
import type {
  BandRecord,
  Checksums,
  EncodeResult,
  PlanDocument,
  Share,
  WasmEncodeStage,
  WasmInspector,
  WasmPlan,
} from '../engine/wasm.js';
import type { Zstd } from '../engine/zstd.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { BlockShape, ByteSource } from '../io/byte-source.js';
import { JoinedSource } from '../io/joined-source.js';
import { inspectOutput } from './inspect-output.js';
import { Packing } from './packing.js';
import type { PartContent } from './part-file.js';
import type { BandErrors, EncodedShare } from './protocol.js';
import type { RecordKeeping } from './record-keeping.js';
import { tableOf } from './table.js';

/** An open file of captured inputs. */
export interface InputsFile {
  readonly inspector: WasmInspector;
  readonly source: ByteSource;
}

/** What an earlier run has left in the output, what methods need beside the model, and where this one says what it does. */
export interface Circumstances {
  readonly done: readonly Json<readonly BandRecord[]>[];
  readonly inputs: readonly InputsFile[];
  readonly journal: Recorder | undefined;
}

/** Runs the stage, and says meanwhile what is done. */
export type Recorder = (stage: WasmEncodeStage, io: StageIo) => Promise<Json<EncodeResult>>;

export class EngineRun<Output> {
  readonly #engine: Engine;
  readonly #blocks: BlockShape;
  readonly #source: ByteSource;
  readonly #plan: WasmPlan;
  #encode: WasmEncodeStage | undefined;
  #sink: ByteSink<Output> | undefined;
  #share: Share = { index: 0, count: 1, part: { index: 0, count: 1 }, sample: 0 };
  #packing: Packing | undefined;
  /** What becomes of the output, if it is not what is written first: compressed, or a part of it. */
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

  /** Of what an earlier run says to have written, that which stands in the output. */
  recheck(
    { rightOf }: RecordKeeping,
    sink: ByteSink<Output>,
    done: readonly Json<readonly BandRecord[]>[],
    onProgress?: OnStageProgress,
  ): Promise<readonly Json<readonly BandRecord[]>[]> {
    return rightOf(this.#engine, this.#blocks, sink, done, onProgress);
  }

  /** Writes a share of what was planned and not done yet, and reads most of it back. */
  async encode(
    share: Share,
    sink: ByteSink<Output>,
    { done, inputs, journal }: Circumstances,
    onProgress?: OnStageProgress,
  ): Promise<EncodedShare> {
    this.#sink = sink;
    this.#share = share;
    const stage = this.#engine.encodeStage(this.#plan, share, this.#blocks, sink.drops !== true);
    this.#encode = stage;
    for (const { inspector } of inputs) {
      if (!stage.addInputs(inspector)) throwIfError(stage.error());
    }
    for (const records of done) {
      if (!stage.takeDone(records)) throwIfError(stage.error());
    }
    const { slots } = this.#blocks;
    const sources = [this.#source, sink, ...inputs.map((file) => file.source)];
    const io = { sources, sink, slots, onProgress };
    const result = parseJson(await (journal ?? runStage)(stage, io));
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

  /** What was written, to be read once every share was encoded and sealed. */
  get written(): ByteSource {
    const { sink } = this.#encoded('openOutput');
    return new JoinedSource([{ source: sink, begin: 0, end: sink.size }]);
  }

  /** Reads back the rest of what `encode` wrote, once every share has been written. */
  async verify(onProgress?: OnStageProgress): Promise<void> {
    const { encode, sink } = this.#encoded('verify');
    if (this.#share.part.count === 1) {
      this.#plan.forgetFixed();
      await this.#checkStructure(sink);
    }
    await withHandle(this.#engine.verifyStage(encode, this.#blocks), (stage) =>
      runStage(stage, { sources: [sink], slots: this.#blocks.slots, onProgress }),
    );
  }

  /** Each share looks at some of the files: together they look at all. */
  async #checkStructure(sink: ByteSource): Promise<void> {
    const { index, count } = this.#share;
    let begin = 0;
    for (let file = 0; file < this.#plan.fileCount(); file++) {
      const end = begin + this.#plan.fileBytes(file);
      if (file % count === index) {
        const part = new JoinedSource([{ source: sink, begin, end }]);
        await withHandle(await inspectOutput(this.#engine, part), async (output) =>
          throwIfError(this.#plan.check(file, output)),
        );
      }
      begin = end;
    }
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

  /** Makes a file of the part of the output that was encoded; `open` opens it as one of so many bytes. */
  async endPart(
    { partBytes, writePart }: RecordKeeping,
    open: (size: number) => Promise<ByteSink<Output>>,
    content: PartContent,
  ): Promise<void> {
    const { sink } = this.#encoded('endPart');
    const part = await open(partBytes(content));
    this.#packed = part;
    await writePart(this.#engine, this.#blocks, sink, part, content);
  }

  /** Every share has been verified. */
  async finish(): Promise<Output> {
    const { sink } = this.#encoded('finish');
    await this.#source.checkUnchanged?.();
    const packed = this.#packed;
    this.#packed = undefined;
    this.#sink = undefined;
    // Of a part not every byte is there.
    const isPart = this.#share.part.count > 1;
    if (packed === undefined) return sink.finish();
    await (isPart ? sink.abort() : sink.finish());
    return packed.finish();
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

  #encoded(step: string): { encode: WasmEncodeStage; sink: ByteSink<Output> } {
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
  outputSignal,
  outputNoise,
]: EncodeResult['errors'][number]): BandErrors {
  return { tensor, band, signal, noise, peak, edges, outputSignal, outputNoise };
}
