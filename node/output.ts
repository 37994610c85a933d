/**
 * Everything that a run writes: the weights and, in a folder, what has to stand beside them.
 * It exists so that places are claimed before the work, and all of it appears together or not at all.
 * A rehearsal claims the same places and gives them back.
 */
import { basename, dirname, extname, join } from 'node:path';
import type { OutputConfig } from '../js/api/model-config.js';
import {
  indexName,
  indexText,
  isPackedName,
  type ModelIndex,
  shardNames,
} from '../js/api/model-files.js';
import type { Container } from '../js/api/types.js';
import type { PlannedFile } from '../js/worker/plan-facts.js';
import type { CalibrationFiles } from './calibration-files.js';
import { checkRoom } from './free-space.js';
import { pathOf } from './input-file.js';
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

export interface OutputTerms extends FolderTerms {
  /** Of the weights in a folder; the name of a file says it itself. */
  readonly container: Container;
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

/** Weights that are several files, and the index that says what is in which of them. */
interface Shards {
  readonly files: readonly OutputFile[];
  readonly index: OutputFile;
}

export class Output {
  /** Of the weights, if they are one file. */
  readonly #weightsPath: string;
  /** While they may be one file, and against other runs for the same place. */
  readonly #weights: OutputFile;
  readonly #folder: OutputFolder | undefined;
  readonly #made: MadeFolder;
  readonly #choices: OutputChoices;
  readonly #indexMetadata: ModelIndex['metadata'];
  /** What is compressed into the weights. */
  readonly #draft: PartialFile | undefined;
  #shards: Shards | undefined;

  private constructor(
    path: string,
    weights: OutputFile,
    draft: PartialFile | undefined,
    choices: OutputChoices,
    folder: OutputFolder | undefined,
    made: MadeFolder,
    indexMetadata: ModelIndex['metadata'] = {},
  ) {
    this.#weightsPath = path;
    this.#draft = draft;
    this.#weights = weights;
    this.#choices = choices;
    this.#folder = folder;
    this.#made = made;
    this.#indexMetadata = indexMetadata;
  }

  /** `named` is a file or a folder, a path or a file: URL. Throws before anything is written if something is in the way. */
  static async claim(
    named: string,
    input: OutputSource,
    { container, calibration, ...terms }: OutputTerms & { readonly calibration?: CalibrationFiles },
  ): Promise<Output> {
    const place = pathOf(named, 'output');
    const path = weightsOf(place, input.named, container);
    calibration?.checkOutput(path);
    const made = makeFolder(dirname(path));
    let folder: OutputFolder | undefined;
    try {
      if (path !== place) folder = await OutputFolder.begin(path, input, terms);
      const choices = { force: terms.force, inputs: input.identities };
      const weights = OutputFile.create(path, choices);
      try {
        const draft = isPackedName(path) ? weights.draft() : undefined;
        return new Output(path, weights, draft, choices, folder, made, input.indexMetadata);
      } catch (error) {
        weights.discard();
        throw error;
      }
    } catch (error) {
      folder?.discard();
      made.undo();
      throw error;
    }
  }

  get isFolder(): boolean {
    return this.#folder !== undefined;
  }

  /** The weights as whoever reads them names them: the file, or the index of several. */
  get path(): string {
    return writtenAt(this.#weightsPath, this.#shards?.files.length ?? 1);
  }

  /**
   * Places for the files of weights that were planned; instead of those of an earlier plan. Throws before anything is
   * written if one of them is taken, or if there is no room.
   */
  place(files: readonly PlannedFile[]): OutputPlaces {
    this.#discardShards();
    const size = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const besides = this.#folder?.bytes ?? 0;
    const file = this.#uncompressed;
    checkRoom({ ...file, besides }, size);
    if (files.length === 1) {
      this.#folder?.checkAlone(this.#weightsPath, (name) => name === basename(this.#weightsPath));
      return [{ ...file, size, besides }];
    }
    const { files: places, index } = this.#claimShards(files);
    this.#shards = { files: places, index };
    return places.map(({ file }, at) => ({ ...file, size: files[at]?.bytes ?? 0 }));
  }

  /** Where they are compressed after that, if they are: as one file, whose size nobody knows yet. */
  get packed(): OutputPlaces | undefined {
    return this.#draft && [{ ...this.#weights.file, size: 0 }];
  }

  /** Where the weights are made, if they are one file. */
  get #uncompressed(): OutputPlace {
    const { file } = this.#weights;
    if (this.#draft === undefined) return file;
    const { descriptor, path: place } = this.#draft;
    return { ...file, descriptor, place };
  }

  #claimShards(files: readonly PlannedFile[]): Shards {
    const names = shardNames(this.#stem, files.length);
    const folder = dirname(this.#weightsPath);
    const written = new Set([...names, indexName(this.#stem)]);
    this.#folder?.checkAlone(this.#weightsPath, (name) => written.has(name));
    const claimed: OutputFile[] = [];
    const claim = (name: string): OutputFile => {
      // The place of a single file keeps other runs away from all of them.
      const choices = { ...this.#choices, isCompanion: true };
      const file = OutputFile.create(join(folder, name), choices);
      claimed.push(file);
      return file;
    };
    try {
      const shards = { files: names.map(claim), index: claim(indexName(this.#stem)) };
      const named = files.map((file, at) => ({ ...file, name: names[at] ?? '' }));
      shards.index.fill(indexText(named, this.#indexMetadata));
      return shards;
    } catch (error) {
      for (const file of claimed) file.discard();
      throw error;
    }
  }

  /** What names of the weights begin with. */
  get #stem(): string {
    return basename(this.#weightsPath, extname(this.#weightsPath));
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
  }

  /** Leaves nothing behind. Harmless after all was published. */
  discard(): void {
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
