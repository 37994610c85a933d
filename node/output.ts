/**
 * Everything that a run writes: the weights and, in a folder, what has to stand beside them.
 * It exists so that places are claimed before the work, and all of it appears together or not at all.
 * A rehearsal claims the same places and gives them back.
 */
import { existsSync, fstatSync, ftruncateSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { OutputConfig } from '../js/api/model-config.js';
import {
  indexName,
  indexText,
  isPackedName,
  type ModelIndex,
  shardNames,
} from '../js/api/model-files.js';
import { type PartChoice, partEnding } from '../js/api/option-table/part.js';
import type { Container, OutputFormat } from '../js/api/types.js';
import type { PlannedFile } from '../js/worker/plan-facts.js';
import type { CalibrationFiles } from './calibration-files.js';
import { checkRoom } from './free-space.js';
import { pathOf } from './input-file.js';
import { Journal, type JournalChoices } from './journal.js';
import type { ModelInput } from './model-input.js';
import type { OutputPlace, OutputPlaces } from './open-file.js';
import { type OutputChoices, OutputFile } from './output-file.js';
import {
  type FolderSource,
  type FolderTerms,
  type MadeFolder,
  makeFolder,
  OutputFolder,
} from './output-folder.js';
import { weightsOf, writtenAt } from './output-name.js';
import type { PartialFile } from './partial-file.js';
import { publish } from './publication.js';
import { writeFailed } from './write-failed.js';

export interface OutputTerms extends FolderTerms {
  /** Of the weights in a folder; the name of a file says it itself. */
  readonly container: Container;
  readonly format?: OutputFormat;
  /** Whether what an interrupted run has left is gone on with. */
  readonly resumes?: boolean;
  /** If only a part of the weights is to be made. */
  readonly part?: PartChoice | undefined;
}

/** What it is made from; a file needs no more than its identities. */
export type OutputSource = FolderSource &
  Pick<ModelInput, 'named'> &
  Partial<Pick<ModelInput, 'indexMetadata'>>;

export interface Publication {
  /** What loaders are to be told of the weights. */
  readonly config: OutputConfig;
  /** What appears together with them. */
  readonly companions?: readonly OutputFile[];
  /** False if it ends with the process anyway. */
  readonly lasts?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Where an output is, and how it is made. */
interface OutputFacts {
  /** Of the weights, if they are one file. */
  readonly path: string;
  readonly isFolder: boolean;
  readonly choices: OutputChoices;
  readonly part: PartChoice | undefined;
  readonly indexMetadata: ModelIndex['metadata'] | undefined;
}

/** Weights that are several files, and the index that says what is in which of them. */
interface Shards {
  readonly files: readonly OutputFile[];
  readonly index: OutputFile;
}

export class Output {
  readonly #facts: OutputFacts;
  /** While they may be one file, and against other runs for the same place. */
  readonly #weights: OutputFile;
  readonly #folder: OutputFolder | undefined;
  readonly #made: MadeFolder;
  /** What is compressed into the weights, or what these are a part of. */
  readonly #draft: PartialFile | undefined;
  #shards: Shards | undefined;
  #journal: Journal | undefined;
  #isLeft = false;

  private constructor(
    facts: OutputFacts,
    weights: OutputFile,
    draft: PartialFile | undefined,
    folder: OutputFolder | undefined,
    made: MadeFolder,
  ) {
    this.#facts = facts;
    this.#draft = draft;
    this.#weights = weights;
    this.#folder = folder;
    this.#made = made;
  }

  /** `named` is a file or a folder, a path or a file: URL. Throws before anything is written if something is in the way. */
  static async claim(
    named: string,
    input: OutputSource,
    {
      container,
      format,
      calibration,
      resumes = false,
      part,
      ...terms
    }: OutputTerms & { readonly calibration?: CalibrationFiles },
  ): Promise<Output> {
    const place = pathOf(named, 'output');
    const whole = weightsOf(place, input.named, { container, ...(format && { format }) });
    const path = part === undefined ? whole : whole + partEnding(part);
    // A GGUF file has all that its loaders need.
    const isFolder = whole !== place && container !== 'gguf';
    calibration?.checkOutput(path);
    const made = makeFolder(dirname(path));
    let folder: OutputFolder | undefined;
    try {
      // What stands beside the weights goes with their first part.
      if (isFolder && (part?.index ?? 0) === 0) {
        folder = await OutputFolder.begin(whole, input, { ...terms, ...(format && { format }) });
      }
      const choices = { force: terms.force, inputs: input.identities, resumes };
      const weights = OutputFile.create(path, choices);
      try {
        const draft = isPackedName(path) || part !== undefined ? weights.draft() : undefined;
        const { indexMetadata } = input;
        return new Output(
          { path, isFolder, choices, part, indexMetadata },
          weights,
          draft,
          folder,
          made,
        );
      } catch (error) {
        if (resumes) weights.leave();
        else weights.discard();
        throw error;
      }
    } catch (error) {
      folder?.discard();
      made.undo();
      throw error;
    }
  }

  get isFolder(): boolean {
    return this.#facts.isFolder;
  }

  /** Where a run says what it has done, so that another can go on. */
  journal(identity: JournalChoices['identity']): Journal {
    const { path: output, choices } = this.#facts;
    const place = this.#weights.journalPath;
    const onBegin = () => this.#weights.supersede();
    const resumes = choices.resumes === true;
    this.#journal = new Journal(place, { output, identity, resumes, onBegin });
    return this.#journal;
  }

  /** The weights as whoever reads them names them: the file, or the index of several. */
  get path(): string {
    return writtenAt(this.#facts.path, this.#shards?.files.length ?? 1);
  }

  /**
   * Places for the files of weights that were planned; instead of those of an earlier plan. Throws before anything is
   * written if one of them is taken, or if there is no room.
   */
  place(files: readonly PlannedFile[]): OutputPlaces {
    const places = this.#placesOf(files);
    if (this.#facts.choices.resumes) for (const place of places) extend(place);
    return places;
  }

  #placesOf(files: readonly PlannedFile[]): OutputPlaces {
    this.#discardShards();
    const size = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const besides = this.#folder?.bytes ?? 0;
    const file = this.#unfinished;
    checkRoom({ ...file, besides }, size);
    const { path, part } = this.#facts;
    if (part !== undefined) return [{ ...file, size, besides }];
    if (files.length === 1) {
      this.#folder?.checkAlone(path, (name) => name === basename(path));
      return [{ ...file, size, besides }];
    }
    const { files: places, index } = this.#claimShards(files);
    this.#shards = { files: places, index };
    return places.map(({ file }, at) => ({ ...file, size: files[at]?.bytes ?? 0 }));
  }

  /** What becomes of them after that, if they are compressed or a part: one file, whose size nobody knows yet. */
  get packed(): OutputPlaces | undefined {
    return this.#draft && [{ ...this.#weights.file, size: 0 }];
  }

  /** Where the weights are made, if they are one file. */
  get #unfinished(): OutputPlace {
    const { file } = this.#weights;
    if (this.#draft === undefined) return file;
    const { descriptor, path: place } = this.#draft;
    const { part } = this.#facts;
    return { ...file, descriptor, place, ...(part && { parts: part.count }) };
  }

  #claimShards(files: readonly PlannedFile[]): Shards {
    const names = shardNames(this.#stem, files.length);
    const folder = dirname(this.#facts.path);
    const written = new Set([...names, indexName(this.#stem)]);
    this.#folder?.checkAlone(this.#facts.path, (name) => written.has(name));
    const claimed: OutputFile[] = [];
    const claim = (name: string): OutputFile => {
      // The place of a single file keeps other runs away from all of them.
      const choices = { ...this.#facts.choices, isCompanion: true };
      const file = OutputFile.create(join(folder, name), choices);
      claimed.push(file);
      return file;
    };
    try {
      const shards = { files: names.map(claim), index: claim(indexName(this.#stem)) };
      const named = files.map((file, at) => ({ ...file, name: names[at] ?? '' }));
      shards.index.fill(indexText(named, this.#facts.indexMetadata ?? {}));
      return shards;
    } catch (error) {
      for (const file of claimed) file.discard();
      throw error;
    }
  }

  /** What names of the weights begin with. */
  get #stem(): string {
    return basename(this.#facts.path, extname(this.#facts.path));
  }

  /** The weights are a copy of this file, sharing its bytes if that is possible and allowed. */
  async fillFrom(source: string, mayShare: boolean): Promise<void> {
    await this.#weights.fillFrom(source, mayShare);
  }

  async publish({ config, companions = [], lasts = true, signal }: Publication): Promise<void> {
    this.#draft?.remove();
    const beside = (await this.#folder?.fill(config)) ?? [];
    const folders = [...this.#made.parents, ...(this.#folder?.parents ?? [])];
    const shards = this.#shards;
    const weights = shards === undefined ? [this.#weights] : [...shards.files, shards.index];
    // Last of all what loaders look for: without it none takes the folder for a model.
    await publish([...beside, ...companions, ...weights], { folders, lasts, signal });
    this.#journal?.remove();
  }

  /** Whether anything was written into it. */
  get hasBegun(): boolean {
    return this.#journal?.hasBegun === true;
  }

  /** Unfinished, for a run that goes on with it: the weights, and what was said of them. */
  leave(): void {
    if (!existsSync(this.#weights.journalPath)) return;
    this.#draft?.leave();
    this.#weights.leave();
    for (const file of this.#shards?.files ?? []) file.leave();
    this.#shards?.index.discard();
    this.#folder?.discard();
    this.#isLeft = true;
  }

  /** Leaves nothing behind. Harmless after all was published. */
  discard(): void {
    if (this.#isLeft) return;
    this.#journal?.remove();
    this.#draft?.remove();
    this.#weights.discard();
    this.#discardShards();
    this.#folder?.discard();
    this.#made.undo();
  }

  #discardShards(): void {
    for (const file of this.#shards?.files ?? []) file.discard();
    this.#shards?.index.discard();
    this.#shards = undefined;
  }
}

/** Records of an earlier run may tell of bytes that were lost: what is read there is not what was written, and no error. */
function extend({ descriptor, path, size }: OutputPlaces[number]): void {
  try {
    if (fstatSync(descriptor).size < size) ftruncateSync(descriptor, size);
  } catch (error) {
    throw writeFailed(path, error);
  }
}
